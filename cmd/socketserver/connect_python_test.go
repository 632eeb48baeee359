package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A pythonServer is one of testdata/servers.py.
type pythonServer struct {
	*exec.Cmd
	row      programRow
	port     string
	says     *bufio.Reader
	operator io.Writer
}

func startPython(t *testing.T, row programRow) *pythonServer {
	t.Helper()
	program, err := filepath.Abs("testdata/servers.py")
	require.NoError(t, err)
	s := &pythonServer{row: row, Cmd: exec.Command("python3", program, row.program)}
	s.Dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(s.Dir, "file"), nil, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(s.Dir, "empty"), 0o700))
	s.Stderr = os.Stderr
	s.operator, err = s.StdinPipe()
	require.NoError(t, err)
	out, err := s.StdoutPipe()
	require.NoError(t, err)
	s.says = bufio.NewReader(out)
	require.NoError(t, s.Start())
	t.Cleanup(func() {
		_ = s.Process.Kill()
		_ = s.Wait()
	})
	s.port = strings.TrimSpace(s.await(t, ""))
	return s
}

// await returns the next line that contains text.
func (s *pythonServer) await(t *testing.T, text string) string {
	t.Helper()
	for {
		line, err := s.says.ReadString('\n')
		require.NoError(t, err, "the server has ended")
		if strings.Contains(line, text) {
			return line
		}
	}
}

func (s *pythonServer) tcp() string { return "tcp://127.0.0.1:" + s.port }
func (s *pythonServer) udp() string { return "udp://127.0.0.1:" + s.port }

// arguments are those of connect that the documentation gives for this server.
func (s *pythonServer) arguments(t *testing.T) []string { return s.row.arguments(t, s.port) }

// stamped is what a message looks like with the time before it.
func stamped(message string) string {
	return `\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\] ` + regexp.QuoteMeta(message)
}

// TestPythonServers talks to servers that were there before this program was.
func TestPythonServers(t *testing.T) {
	t.Parallel()
	if exec.Command("python3", "--version").Run() != nil {
		t.Skip("there is no python3")
	}
	tests := map[string]func(t *testing.T, s *pythonServer){
		"echo":             pythonEcho,
		"echo_getaddrinfo": pythonEcho,
		"command":          pythonCommand,
		"half_duplex":      pythonHalfDuplex,
		"full_duplex":      pythonFullDuplex,
		"room":             pythonRoom,
		"pairs":            pythonPairs,
		"timestamp":        pythonTimestamp,
		"timestamp_text":   pythonTimestamp,
		"timestamp_line":   pythonTimestampLine,
		"timestamp_udp":    pythonTimestampUDP,
		"sink":             pythonSink,
		"hello":            pythonHello,
		"quit_server":      pythonQuit,
	}
	rows := programRows(t, "Servers", "servers.py")
	require.Len(t, rows, 16)
	for _, row := range rows {
		t.Run(row.program, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, tests, row.program)
			tests[row.program](t, startPython(t, row))
		})
	}
}

// requireTalk requires a conversation on pipes that comes to its end.
func requireTalk(t *testing.T, pattern, input string, args ...string) {
	t.Helper()
	out, complaints, status := connect(t, input, args...)
	require.Regexp(t, "^"+pattern+"$", out)
	require.Empty(t, complaints)
	require.Zero(t, status)
}

func pythonEcho(t *testing.T, s *pythonServer) {
	requireTalk(t, "Hello, world", "Hello, world", s.arguments(t)...)
	require.NoError(t, s.Wait()) // one client was all
}

func pythonCommand(t *testing.T, s *pythonServer) {
	requireTalk(t, `\[[^]]+\]\[posix\]empty\nfilenot exist paththis is no orderLS`, "time\nos\nls\nls none\nLS\n",
		s.arguments(t)...)
	// An empty directory is answered with nothing at all, for which nobody waits for ever.
	_, complaints, status := connect(t, "ls empty\n", "--mode", "ask", "--framing", "chunk", "--timeout", "100ms", s.tcp())
	require.Equal(t, 4, status)
	require.Contains(t, complaints, "no answer within 100ms")
}

func pythonHalfDuplex(t *testing.T, s *pythonServer) {
	c := talk(t, s.arguments(t)...)
	c.say(t, "你好\n")
	s.await(t, "from: 你好")
	_, _ = io.WriteString(s.operator, "fine\n")
	readUntil(t, c.out, "fine")
	c.say(t, "bye\n")
	s.await(t, "from: bye")
	_, _ = io.WriteString(s.operator, "\n") // ends the client, that had asked
	rest, status := c.leave(t)
	require.Empty(t, rest)
	require.Equal(t, 1, status)
}

func pythonFullDuplex(t *testing.T, s *pythonServer) {
	c := talk(t, s.arguments(t)...)
	s.await(t, "connected")
	_, _ = io.WriteString(s.operator, "who is there?\n")
	readUntil(t, c.out, "who is there?")
	c.say(t, "me\n")
	s.await(t, "me")
	c.say(t, "again\n")
	s.await(t, "again")
	_, status := c.leave(t)
	require.Zero(t, status)
}

// The room never closes a connection, so that the client has to end it.
func pythonRoom(t *testing.T, s *pythonServer) {
	args := append([]string{"--timeout", "100ms"}, s.arguments(t)...)
	first := talk(t, args...)
	s.await(t, "joined")
	second := talk(t, args...)
	s.await(t, "joined")
	require.Regexp(t, `^欢迎\('127\.0\.0\.1', \d+\)来到我们的聊天室!$`, readUntil(t, first.out, "!"))
	second.say(t, "大家好\n")
	require.Equal(t, "大家好", readUntil(t, first.out, "好"))
	first.say(t, "hello\n")
	require.Equal(t, "hello", readUntil(t, second.out, "hello"))
	_, status := first.leave(t)
	require.Equal(t, 4, status)
}

func pythonPairs(t *testing.T, s *pythonServer) {
	args := append([]string{"--timeout", "100ms"}, s.arguments(t)...)
	first := talk(t, args...)
	first.say(t, "name:a to:b\n")
	s.await(t, "joined a")
	first.say(t, "hello\n")
	readUntil(t, first.out, "请等待对方上线")
	second := talk(t, args...)
	second.say(t, "name:b to:a\n")
	s.await(t, "joined b")
	first.say(t, "hello\n")
	require.Equal(t, "hello", readUntil(t, second.out, "hello"))
	second.say(t, "你好\n")
	require.Equal(t, "你好", readUntil(t, first.out, "好"))
	// It refuses by closing, while the client would still talk.
	third := talk(t, s.arguments(t)...)
	third.say(t, "name c\n")
	readUntil(t, third.out, "您的输入有误")
	require.Error(t, third.Wait())
	require.Equal(t, 1, third.ProcessState.ExitCode())
}

func pythonTimestamp(t *testing.T, s *pythonServer) {
	requireTalk(t, stamped("hello")+stamped("你好"), "hello\n你好\n", s.arguments(t)...)
	requireTalk(t, stamped("hello\r\n")+stamped("you\r\n"), "hello\nyou\n", "--mode", "each", "--crlf", s.tcp())
}

func pythonTimestampLine(t *testing.T, s *pythonServer) {
	requireTalk(t, stamped("hello\r\n")+stamped("you\r\n"), "hello\nyou\n", s.arguments(t)...)
	requireTalk(t, stamped("hello\n"), "hello\n", s.tcp())
	_, _, status := connect(t, "hello\nyou\n", "--mode", "ask", s.tcp()) // which is one line too many
	require.Equal(t, 1, status)
}

func pythonTimestampUDP(t *testing.T, s *pythonServer) {
	requireTalk(t, stamped("hello")+stamped("你好"), "hello\n你好\n", s.arguments(t)...)
	for _, mode := range []string{"each", "duplex"} {
		requireTalk(t, stamped("hello")+stamped("你好"), "hello\n你好\n", "--mode", mode, "--framing", "chunk", s.udp())
	}
	requireTalk(t, stamped("hello"), "hello", "--mode", "once", "udp://localhost:"+s.port)
}

func pythonSink(t *testing.T, s *pythonServer) {
	_, _, status := connect(t, "hello,this is a test info !", s.arguments(t)...)
	require.Equal(t, 4, status)
	s.await(t, "Received: b'hello,this is a test info !' ('127.0.0.1',")
}

func pythonHello(t *testing.T, s *pythonServer) {
	requireTalk(t, "Hi,you send me :"+stamped("hello"), "hello\n", s.arguments(t)...)
}

func pythonQuit(t *testing.T, s *pythonServer) {
	from := "127.0.0.1发送给我的信息是:"
	requireTalk(t, from+"hello"+from+"quit", "hello\nquit\n", s.arguments(t)...)
	require.NoError(t, s.Wait())
}
