package plugin_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// hand is this program as a plugin that a shell has started.
func hand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), "TEST_BY_HAND=1")
	return cmd
}

// handed runs it to its end.
func handed(t *testing.T, input string, args ...string) (output, errors string, status int) {
	t.Helper()
	cmd := hand(t, args...)
	var stdout, stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	_ = cmd.Run()
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

func TestStartedByHand(t *testing.T) {
	t.Parallel()
	const refused = "plugin.test: option \"count\": has to be positive\ntoo little\n"
	for _, c := range []struct {
		args                      []string
		input, output, complaints string
		status                    int
	}{
		{input: "echo hello\necho without end", output: "hello\n", complaints: "^$"},
		{input: "echo hello\necho again\n", output: "hello\nagain\n", complaints: "^$"},
		{args: []string{"--set", "greeting=5 ", "--set", "count=2"}, input: "echo hello\n", output: "5 hello\n", complaints: "^$"},
		{args: []string{"--set", `greeting="x"`}, input: "echo hello\n", output: "xhello\n", complaints: "^$"},
		{args: []string{"--datagram"}, input: "echo hello\n", output: "hello\n", complaints: "^$"},
		{input: "print something\n", output: "printed\n", complaints: "^something\nerror: something\n"},
		{args: []string{"--set", "count=0"}, complaints: regexp.QuoteMeta(refused), status: 1},
		{args: []string{"--set", "count=x"}, complaints: `option "count": `, status: 1},
		{args: []string{"--set", "cuont=1"}, complaints: `option "cuont": .*count`, status: 1},
		{args: []string{"--set", "count"}, complaints: "write it as key=value", status: 2},
		{args: []string{"--set", "count=1", "--set", "count=2"}, complaints: "set twice", status: 2},
		{args: []string{"--listen", "localhost"}, complaints: "write it as in tcp://localhost:9000", status: 1},
		{args: []string{"more"}, complaints: `"more" is one argument too many`, status: 2},
		{args: []string{"--help"}, complaints: "repeatable"},
		{input: "panic over\n", complaints: `^plugin.test: panic: over\n(?s:.*)main_linux_test.go`, status: 1},
	} {
		output, complaints, status := handed(t, c.input, c.args...)
		require.Equal(t, c.output, output, "%v", c.args)
		require.Regexp(t, c.complaints, complaints, "%v", c.args)
		require.Equal(t, c.status, status, "%v", c.args)
	}
}

func TestDescribedByHand(t *testing.T) {
	t.Parallel()
	output, _, status := handed(t, "", "--describe", "--set", "stateful=a count")
	require.Zero(t, status)
	var d struct {
		Name     string
		Networks []string
		Stateful string
		Options  []struct{ Name, Type, Doc string }
	}
	require.NoError(t, json.Unmarshal([]byte(output), &d))
	require.Equal(t, "plugin.test", d.Name)
	require.Equal(t, []string{"tcp", "udp", "unix", "unixgram"}, d.Networks)
	require.Equal(t, "a count", d.Stateful)
	require.Len(t, d.Options, 4)
	require.Equal(t, "number", d.Options[2].Type)
}

func TestListeningByHand(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"tcp://127.0.0.1:0", "udp://127.0.0.1:0", "unix://" + t.TempDir() + "/s"} {
		cmd := hand(t, "--listen", url)
		stderr, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		said := make([]byte, 256)
		n, err := stderr.Read(said)
		require.NoError(t, err)
		found := regexp.MustCompile(`^plugin.test serves (\w+)://(.*); \^C ends it\n$`).FindStringSubmatch(string(said[:n]))
		require.NotNil(t, found, "%s", said[:n])
		conn, err := net.Dial(found[1], found[2])
		require.NoError(t, err)
		frameworktest.Send(t, conn, "echo hello\n")
		frameworktest.Expect(t, conn, "hello\n")
		require.NoError(t, conn.Close())
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait())
	}
}
