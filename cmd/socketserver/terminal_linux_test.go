package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// atTyping runs typing in a window of 40 columns. What is written to
// the file it returns comes in from elsewhere.
func atTyping(t *testing.T) (*window, *os.File, *exec.Cmd) {
	t.Helper()
	return newTyping(t, exec.Command("typing"))
}

func newTyping(t *testing.T, c *exec.Cmd) (*window, *os.File, *exec.Cmd) {
	t.Helper()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = write.Close() })
	c.Env = append(append(os.Environ(), "TERM=xterm", "TERMINAL_TEST=1", "GORACE=atexit_sleep_ms=0"), c.Env...)
	c.ExtraFiles = []*os.File{read}
	term := newWindow(t, c, 40, 10)
	require.NoError(t, read.Close())
	term.Await(2, ">")
	return term, write, c
}

func pipe(t *testing.T, peer *os.File, text string) {
	t.Helper()
	_, err := peer.WriteString(text)
	require.NoError(t, err)
}

func TestTerminalTyping(t *testing.T) {
	t.Parallel()
	term, _, _ := atTyping(t)
	term.Type("hallo\x1b[D\x1b[D\x1b[D\x7fe") // and the a is an e
	term.Await(4, "> hello")
	term.Type("\r")
	term.Await(2, "> hello", `got "hello"`, ">")
	term.Type("two\nthree\r") // pasted
	term.Await(2, "> hello", `got "hello"`, "> two", "> three", `got "two"`, `got "three"`, ">")
	term.Type("\x1b[A\x1b[A!")
	term.Await(6, "> hello", `got "hello"`, "> two", "> three", `got "two"`, `got "three"`, "> two!")
	term.Type("\x0c")
	term.Await(6, "> two!")
	term.Type("\x15\x04")
	require.Zero(t, term.Exit())
	term.Await(0, "bye", "")
}

func TestTerminalWideCharacters(t *testing.T) {
	t.Parallel()
	term, peer, _ := atTyping(t)
	term.Type("你好世界\x1b[D\x1b[D\x7f") // the cursor goes by characters
	term.Await(4, "> 你世界")
	pipe(t, peer, "对方说话\n")
	term.Await(4, "对方说话", "> 你世界")
	term.Type("\x05" + strings.Repeat("中文", 12)) // 56 columns do not fit
	term.Await(38, "对方说话", "> "+strings.Repeat("中文", 9))
	term.Type("\r")
	term.Await(2, "对方说话",
		"> 你世界"+strings.Repeat("中文", 8), strings.Repeat("中文", 4),
		`got "你世界`+strings.Repeat("中文", 7), strings.Repeat("中文", 5)+`"`, ">")
}

// What comes in goes above the prompt, whatever is being typed, and a line that comes in
// parts is one line.
func TestTerminalIncoming(t *testing.T) {
	t.Parallel()
	term, peer, _ := atTyping(t)
	term.Type("half")
	term.Await(6, "> half")
	pipe(t, peer, "first\nsec")
	term.Await(6, "first", "sec", "> half")
	pipe(t, peer, "ond\n")
	term.Await(6, "first", "second", "> half")
	pipe(t, peer, "\xe4\xbd")
	pipe(t, peer, "\xa0!")
	term.Await(6, "first", "second", "你!", "> half")
	term.Type(" way\r")
	term.Await(2, "first", "second", "你!", "> half way", `got "half way"`, ">")
	pipe(t, peer, "next")
	term.Await(2, "first", "second", "你!", "> half way", `got "half way"`, "next", ">")
}

func TestTerminalFullRow(t *testing.T) {
	t.Parallel()
	term, peer, _ := atTyping(t)
	row := strings.Repeat("0123456789", 4)
	pipe(t, peer, row)
	term.Await(2, row, ">")
	pipe(t, peer, "\nx\n"+row+"more\ttab\n")
	term.Await(2, row, "x", row, "more    tab", ">")
	pipe(t, peer, "中"+row[:39]) // the last column stays empty
	term.Await(2, row, "x", row, "more    tab", "中"+row[:38], row[38:39], ">")
	pipe(t, peer, "x")
	term.Await(2, row, "x", row, "more    tab", "中"+row[:38], row[38:39]+"x", ">")
}

// Nothing that comes in acts on the terminal.
func TestTerminalHostile(t *testing.T) {
	t.Parallel()
	term, peer, _ := atTyping(t)
	pipe(t, peer, "\x1b[2J\x1b]0;title\a\rover\u202etxt.exe\xff\r\n")
	term.Await(2, `\x1b[2J\x1b]0;title\a\rover\u202etxt.exe`, `\xff`, ">")
	term.Type("\x1b\x1b[99z\x00x") // nor do keys that have no meaning
	term.Await(3, `\x1b[2J\x1b]0;title\a\rover\u202etxt.exe`, `\xff`, "> x")
	term.Paste("\x1b[1m\u202e") // nor what is pasted
	term.Await(16, `\x1b[2J\x1b]0;title\a\rover\u202etxt.exe`, `\xff`, `> x\x1b[1m\u202e`)
}

func TestTerminalTabLists(t *testing.T) {
	t.Parallel()
	term, _, _ := atTyping(t)
	term.Type("da\t")
	term.Await(6, "> date")
	term.Type("\x15l\t a\r")
	term.Await(2, "> ls a", `got "ls a"`, ">")
	term.Type("ls\t")
	term.Await(4, "> ls a", `got "ls a"`, "ls  ls a", "> ls")
}

// Tab knows what was seen, also where its line has not ended.
func TestTerminalTabSeen(t *testing.T) {
	t.Parallel()
	term, peer, _ := atTyping(t)
	pipe(t, peer, "alice: 你好\nbo")
	pipe(t, peer, "bby has come")
	term.Await(2, "alice: 你好", "bobby has come", ">")
	term.Type("/msg a\t b\t 你\t\r")
	term.Await(2, "alice: 你好", "bobby has come", "> /msg alice bobby 你好", `got "/msg alice bobby 你好"`, ">")
	term.Type("x \t/\t\r") // a word that was typed, and nothing of what is empty
	term.Await(2, "alice: 你好", "bobby has come", "> /msg alice bobby 你好", `got "/msg alice bobby 你好"`, "> x /msg", `got "x /msg"`, ">")
}

func TestTerminalResize(t *testing.T) {
	t.Parallel()
	term, _, _ := atTyping(t)
	term.Type("0123456789012345678901234567890123456")
	term.Await(39, "> 0123456789012345678901234567890123456")
	term.Resize(60)
	term.Type("7")
	term.Await(40, "> 01234567890123456789012345678901234567")
}

func TestTerminalInterruptCallback(t *testing.T) {
	t.Parallel()
	term, _, _ := atTyping(t)
	term.Type("unsent\x03")
	require.Equal(t, 2, term.Exit())
	term.Await(0, "> unsent", "bye", "")
}

func TestTerminalPeerEnds(t *testing.T) {
	t.Parallel()
	term, peer, _ := atTyping(t)
	pipe(t, peer, "last words")
	require.NoError(t, peer.Close())
	require.Equal(t, 1, term.Exit())
	term.Await(0, "last words", "bye", "")
}

// A program that a signal ends says so, and leaves the terminal as it was.
func TestTerminalSignals(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		term, _, c := atTyping(t)
		require.NoError(t, c.Process.Signal(s))
		require.Equal(t, 128+int(s), term.Exit())
	}
}

// A program that handles signals by itself does not handle SIGQUIT.
func TestTerminalQuit(t *testing.T) {
	t.Parallel()
	for _, signals := range []string{"watched", "own signals"} {
		c := exec.Command("typing")
		c.Env = []string{"TERMINAL_TEST=" + signals}
		stacks, said, err := os.Pipe()
		require.NoError(t, err)
		c.Stderr = said
		term, _, _ := newTyping(t, c)
		require.NoError(t, said.Close())
		require.NoError(t, c.Process.Signal(syscall.SIGQUIT))
		text, err := io.ReadAll(stacks)
		require.NoError(t, err)
		require.Equal(t, 2, term.Exit())
		require.Contains(t, string(text), "SIGQUIT: quit")
		require.Contains(t, string(text), "goroutine ")
	}
}

// What is pasted is read, every byte, and none of it is a key.
func TestTerminalPaste(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"key\tvalue":         `got "key\tvalue"`,
		"\ta":                `got "\ta"`,
		"a\x03\x04\x1a\x15b": `got "a\x03\x04\x1a\x15b"`,
		"\x1bO":              `got "\x1bO"`,
		"\x1b[A\x1b[":        `got "\x1b[A\x1b["`,
		"\x1b[201":           `got "\x1b[201"`,
		"\xc4\xe3\xba\xc3":   `got "\xc4\xe3\xba\xc3"`,
		"你\u202e\u200b好":     `got "你\u202e\u200b好"`,
		"\u009b2J":           `got "\u009b2J"`,
	} {
		term, _, _ := atTyping(t)
		term.Paste(text)
		term.Type("\r")
		term.AwaitGeneral(func(screen string) string {
			_, answer, _ := strings.Cut(screen, "\n")
			return answer
		}, 2, want, ">")
	}
}

func TestTerminalPasteLines(t *testing.T) {
	t.Parallel()
	term, _, _ := atTyping(t)
	term.Paste("one\rtwo\r\n\nthree")
	term.Await(7, "> one", "> two", ">", `got "one"`, `got "two"`, `got ""`, "> three")
}

// Bytes that are not UTF-8 are sent as they were typed.
func TestTerminalTypedBytes(t *testing.T) {
	t.Parallel()
	term, _, _ := atTyping(t)
	term.Type("\xc4\xe3\xba\xc3x\x7f")
	term.Await(18, `> \xc4\xe3\xba\xc3`)
	term.Type("\x1b[D\x7f\r")
	term.Await(2, `> \xc4\xe3\xc3`, `got "\xc4\xe3\xc3"`, ">")
}

// A terminal of which nothing is known gets no escapes.
func TestTerminalUnknown(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"", "dumb", "unknown"} {
		c := exec.Command("typing")
		c.Env = append(os.Environ(), "TERMINAL_TEST=usable", "TERM="+kind)
		term := newWindow(t, c, 40, 10)
		require.Equal(t, 3, term.Exit())
	}
}

// A signal stops the program as ^Z does, sent to it alone or to its group.
func TestTerminalStopSignal(t *testing.T) {
	t.Parallel()
	for _, group := range []int{1, -1} {
		term, _, c := newTyping(t, exec.Command("sh", "-mc", `"$0"; echo stopped; read go; fg >/dev/null`, "typing"))
		raw := term.Settings()
		term.Type("half")
		term.Await(6, "> half")
		children, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", c.Process.Pid))
		require.NoError(t, err)
		pid, err := strconv.Atoi(strings.TrimSpace(string(children)))
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(group*pid, syscall.SIGTSTP))
		term.Await(0, "> half", "stopped", "")
		require.NotEqual(t, raw, term.Settings())
		term.Type("\n")
		term.Await(6, "> half", "stopped", "", "> half")
		require.Equal(t, raw, term.Settings())
		term.Paste("\tx\r")
		term.Type("\x03")
		require.Equal(t, 2, term.Exit())
	}
}

// ^Z gives the terminal to the shell, and fg takes it back.
func TestTerminalSuspend(t *testing.T) {
	t.Parallel()
	term, _, _ := newTyping(t, exec.Command("sh", "-mc", `"$0"; echo stopped; read go; fg >/dev/null`, "typing"))
	raw := term.Settings()
	term.Type("half\x1a")
	term.Await(0, "> half", "stopped", "")
	require.NotEqual(t, raw, term.Settings())
	term.Type("\n")
	term.Await(6, "> half", "stopped", "", "> half")
	require.Equal(t, raw, term.Settings())
	term.Type("\x03")
	require.Equal(t, 2, term.Exit())
}
