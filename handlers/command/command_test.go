package command_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/handlers/command"
)

func TestMain(m *testing.M) {
	framework.ServeWorker(command.Constructor)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children would sleep a second each
	goleak.VerifyTestMain(m)
}

// newRoot makes a directory that has of everything, and one beside it that nobody may see.
func newRoot(t testing.TB) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	for _, dir := range []string{"a", "a/deep", "empty", "你好", "../outside"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	for _, file := range []string{"file", ".hidden", "a/one", "a/two", "a/deep/three", "../outside/secret"} {
		require.NoError(t, os.WriteFile(filepath.Join(root, file), nil, 0o600))
	}
	for link, to := range map[string]string{
		"inside": "a", "out": "../outside", "absolute": filepath.Join(root, "a"), "loop": "loop", "dangling": "nowhere",
	} {
		require.NoError(t, os.Symlink(to, filepath.Join(root, link)))
	}
	return root
}

const everything = ".hidden\na\nabsolute\ndangling\nempty\nfile\ninside\nloop\nout\n你好"

func serve(t *testing.T, network, root, options string) *framework.BaseServer {
	t.Helper()
	class := frameworktest.Class(t, command.Constructor, fmt.Sprintf(`{"root": %q%s}`, root, options))
	return frameworktest.Serve(t, frameworktest.NewServer(t, network, class))
}

func systemName() string {
	if runtime.GOOS == "windows" {
		return "[nt]"
	}
	return "[posix]"
}

// As the original client sends them: each in one write, without a newline.
func TestCommands(t *testing.T) {
	root := newRoot(t)
	commands := []struct{ input, answer string }{
		{"os", systemName()},
		{"os\r\n", systemName()},
		{"os  ", systemName()},
		{"ls", everything},
		{"ls ", everything},
		{"ls\n", everything},
		{"ls .", everything},
		{"ls ./a/..", everything},
		{"ls a", "deep\none\ntwo"},
		{"ls a/", "deep\none\ntwo"},
		{"ls a//deep", "three"},
		{"ls a/.", "deep\none\ntwo"},
		{"ls a b", "deep\none\ntwo"},
		{"ls\ta", "deep\none\ntwo"},
		{"ls\va", "deep\none\ntwo"},
		{"ls inside", "deep\none\ntwo"},
		{"ls inside/deep/", "three"},
		{"ls 你好", "(empty)"},
		{"ls empty", "(empty)"},
		{"ls missing", "not exist path"},
		{"ls file", "not exist path"},
		{"ls file/", "not exist path"},
		{"ls file/..", "not exist path"},
		{"ls dangling", "not exist path"},
		{"ls loop", "not exist path"},
		{"ls a\x00b", "not exist path"},
		{"ls " + strings.Repeat("x", 600), "not exist path"},
		// an absolute path begins at the root
		{"ls /", everything},
		{"ls ///", everything},
		{"ls /a", "deep\none\ntwo"},
		{"ls /etc", "not exist path"},
		{"ls " + root, "not exist path"},
		// nothing leads out
		{"ls ..", "not exist path"},
		{"ls /..", "not exist path"},
		{"ls ../outside", "not exist path"},
		{"ls a/../../outside", "not exist path"},
		{"ls out", "not exist path"},
		{"ls out/", "not exist path"},
		{"ls out/.", "not exist path"},
		{"ls absolute", "not exist path"},
		// commands are exact
		{"LS", "this is no orderLS"},
		{" ls a", "this is no order ls a"},
		{"ls  a", "this is no orderls  a"},
		{"lsx", "this is no orderlsx"},
		{"ls;id", "this is no orderls;id"},
		{"ls $(id)", "not exist path"},
		{"ls `id`", "not exist path"},
		{"ls ~", "not exist path"},
		{"l", "this is no orderl"},
		{"time now", "this is no ordertime now"},
		{"os\x00", "this is no orderos\x00"},
		{"ls \xff", "this is no orderls \xff"},
		{"hello\r\n", "this is no orderhello"},
		{"\n", "this is no order"},
		{strings.Repeat("x", 1024), "this is no order" + strings.Repeat("x", 1024-16)},
	}
	for _, network := range frameworktest.Networks {
		t.Run(network, func(t *testing.T) {
			conn := frameworktest.Dial(t, serve(t, network, root, `, "framing": "chunk"`))
			for _, c := range commands {
				require.Equal(t, c.answer, frameworktest.Ask(t, conn, c.input), "%q", c.input)
			}
		})
	}
}

func TestTime(t *testing.T) {
	conn := frameworktest.Dial(t, serve(t, "tcp", t.TempDir(), ""))
	for _, order := range []string{"time", "date", "date\r\n"} {
		answer := frameworktest.Ask(t, conn, order)
		stamp, err := time.ParseInLocation("["+time.ANSIC+"]", answer, time.Local)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), stamp, time.Minute)
	}
}

// One port serves clients that send newlines and those that do not.
func TestFramings(t *testing.T) {
	root := newRoot(t)
	for options, answers := range map[string]map[string]string{
		``:                    {"ls a": "deep\none\ntwo", "ls a\n": "deep\none\ntwo", "os\nls empty\r\nx": systemName() + "(empty)this is no orderx"},
		`, "framing": "line"`: {"ls a\n": "deep\none\ntwo\n", "os\r\nls empty\n": systemName() + "\r\n(empty)\n"},
	} {
		s := serve(t, "tcp", root, options)
		for input, answer := range answers {
			require.Equal(t, answer, frameworktest.Ask(t, frameworktest.Dial(t, s), input), input)
		}
	}
}

func TestForking(t *testing.T) {
	root := newRoot(t)
	s := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, command.Constructor, fmt.Sprintf(`{"root": %q}`, root)))
	s.Strategy = &framework.Forking{}
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	require.Equal(t, "deep\none\ntwo", frameworktest.Ask(t, conn, "ls a"))
	require.Equal(t, "not exist path", frameworktest.Ask(t, conn, "ls out"))
}

func TestMaxEntries(t *testing.T) {
	root := newRoot(t)
	for most, answer := range map[int]string{
		1:    ".hidden\n(9 more)",
		9:    everything[:strings.LastIndex(everything, "\n")] + "\n(1 more)",
		10:   everything,
		1000: everything,
	} {
		conn := frameworktest.Dial(t, serve(t, "tcp", root, fmt.Sprintf(`, "max_entries": %d`, most)))
		require.Equal(t, answer, frameworktest.Ask(t, conn, "ls"))
	}
}

// A client that reads 1024 bytes once has all of the answer.
func TestRefusalIsBounded(t *testing.T) {
	conn := frameworktest.Dial(t, serve(t, "tcp", t.TempDir(), `, "framing": "line"`))
	input := strings.Repeat("x", 8192)
	_, err := io.WriteString(conn, input)
	require.NoError(t, err)
	require.Equal(t, ("this is no order" + input)[:1024], frameworktest.End(t, conn))
}

// What a name has in it can neither end its line nor steer a terminal.
func TestNamesAreQuoted(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"two\nlines", "\x1b]0;title\a", "\u202egnp.exe", "bad\xff", `"quoted"`, "a space", "`id`", "你好"} {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), nil, 0o600))
	}
	conn := frameworktest.Dial(t, serve(t, "tcp", root, ""))
	require.Equal(t, strings.Join([]string{
		`"\x1b]0;title\a"`, `"\"quoted\""`, "`id`", "a space", `"bad\xff"`, `"two\nlines"`, `"\u202egnp.exe"`, "你好",
	}, "\n"), frameworktest.Ask(t, conn, "ls"))
}

// A datagram holds what fits, and says so.
func TestDatagramIsBounded(t *testing.T) {
	root := t.TempDir()
	for i := range 200 {
		name := fmt.Sprintf("%03d%s", i, strings.Repeat("n", 200))
		require.NoError(t, os.WriteFile(filepath.Join(root, name), nil, 0o600))
	}
	conn := frameworktest.Dial(t, serve(t, "udp", root, ""))
	_, err := io.WriteString(conn, "ls")
	require.NoError(t, err)
	answer := make([]byte, 64<<10)
	n, err := conn.Read(answer)
	require.NoError(t, err)
	require.LessOrEqual(t, n, 8192)
	require.Greater(t, n, 4096)
	lines := strings.Split(string(answer[:n]), "\n")
	require.Equal(t, fmt.Sprintf("(%d more)", 200-len(lines)+1), lines[len(lines)-1])
	require.True(t, strings.HasPrefix(lines[0], "000n"))
}

func TestReset(t *testing.T) {
	s := serve(t, "tcp", newRoot(t), "")
	conn := frameworktest.Dial(t, s)
	_, err := io.WriteString(conn, "ls")
	require.NoError(t, err)
	frameworktest.Reset(t, conn)
	require.Equal(t, "three", frameworktest.Ask(t, frameworktest.Dial(t, s), "ls a/deep"))
}

func TestOptions(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for options, problem := range map[string]string{
		`{"framing": "words"}`:                      `option "framing": there is no framing "words" here; choose one of "auto", "line", "chunk"`,
		`{"max_entries": 0}`:                        `option "max_entries": is 0; give a number from 1 to 100000`,
		`{"max_entries": 100001}`:                   `option "max_entries": is 100001; give a number from 1 to 100000`,
		fmt.Sprintf(`{"root": %q}`, file):           fmt.Sprintf(`option "root": %s is not a directory; give one`, file),
		fmt.Sprintf(`{"root": %q}`, file+".absent"): fmt.Sprintf(`option "root": stat %s.absent: no such file or directory; give a directory that exists`, file),
	} {
		_, err := command.Constructor.Class([]byte(options))
		require.EqualError(t, err, problem)
		var refused *framework.OptionError
		require.ErrorAs(t, err, &refused)
	}
}

// The root may come and go while the server runs; nothing of it is kept open.
func TestRootIsReplaced(t *testing.T) {
	root := newRoot(t)
	conn := frameworktest.Dial(t, serve(t, "tcp", root, ""))
	require.Equal(t, everything, frameworktest.Ask(t, conn, "ls"))
	require.NoError(t, os.RemoveAll(root))
	require.Equal(t, "not exist path", frameworktest.Ask(t, conn, "ls"))
	require.NoError(t, os.Mkdir(root, 0o755))
	require.Equal(t, "(empty)", frameworktest.Ask(t, conn, "ls"))
}

// The answer of another server is not answered: the two would go on for ever.
func TestRefusalIsNotAnswered(t *testing.T) {
	conn := frameworktest.Dial(t, serve(t, "udp", t.TempDir(), ""))
	for _, answer := range []string{
		"this is no order[Sat Nov 28 17:00:00 2026]", "this is no order",
		"[Sat Nov 28 17:00:00 2026] this is no orderx", "hello\nthis is no order",
	} {
		_, err := io.WriteString(conn, answer)
		require.NoError(t, err)
	}
	require.Equal(t, "this is no orderhello", frameworktest.Ask(t, conn, "hello"))
}
