package client

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDuplex(t *testing.T) {
	t.Parallel()
	got, err := hold(t, Settings{Address: serve(t, echo)}, "one\ntwo")
	require.NoError(t, err)
	require.Equal(t, "one\ntwo", got)
}

// More goes both ways than fits between two ends that wait for each other.
func TestDuplexBulk(t *testing.T) {
	t.Parallel()
	text := strings.Repeat(rand.Text()+"\n", 1<<18)
	for _, mode := range []string{Duplex, Once} {
		got, err := hold(t, Settings{Address: serve(t, echo), Mode: mode}, text)
		require.NoError(t, err)
		require.True(t, text == got)
	}
}

// The last words are heard, however late.
func TestDuplexDrains(t *testing.T) {
	t.Parallel()
	address := serve(t, func(conn net.Conn) {
		_, _ = io.Copy(io.Discard, conn)
		for i := range 100 {
			fmt.Fprintln(conn, i)
		}
	})
	got, err := hold(t, Settings{Address: address}, "")
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(got, "98\n99\n"), got)
}

func TestFraming(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		Settings
		input, sent string
	}{
		{Settings{Mode: Duplex}, "a\n\nb\r\nc", "a\n\nb\r\nc"},
		{Settings{Mode: Once}, "a\n\nb\n", "a\n\nb\n"},
		{Settings{Mode: Duplex, CRLF: true}, "a\n\nb\r\nc", "a\r\n\r\nb\r\nc"},
		{Settings{Mode: Once, CRLF: true}, "a\nb", "a\r\nb"},
		{Settings{Mode: Duplex, Framing: Chunk}, "a\n\nb\n", "ab"},
		{Settings{Mode: Once, Framing: Chunk}, "a\n\nb\n", "a\n\nb"},
		{Settings{Mode: Once, Framing: Chunk}, "你好\n\xff\n\n", "你好\n\xff\n"},
	} {
		address := serve(t, func(conn net.Conn) {
			all, _ := io.ReadAll(conn)
			fmt.Fprintf(conn, "%q", all)
		})
		test.Address = address
		got, err := hold(t, test.Settings, test.input)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%q", test.sent), strings.TrimPrefix(got, "|"))
	}
}

// A message waits for the answer to the one before.
func TestAsk(t *testing.T) {
	t.Parallel()
	got, err := hold(t, Settings{Address: serve(t, chunks), Mode: Ask, Framing: Chunk}, "one\n\ntwo\nthree")
	require.NoError(t, err)
	require.Equal(t, "|[one]|[two]|[three]", got)
	got, err = hold(t, Settings{Address: serve(t, chunks), Mode: Ask, CRLF: true}, "one\ntwo")
	require.NoError(t, err)
	require.Equal(t, "[one\r\n][two\r\n]", got) // the server may wait for the end of a line
}

// An answer may be longer than what one read brings.
func TestAskLong(t *testing.T) {
	t.Parallel()
	address := serve(t, func(conn net.Conn) {
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			_, _ = io.WriteString(conn, strings.Repeat(lines.Text(), 1<<18)+"\n")
		}
	})
	got, err := hold(t, Settings{Address: address, Mode: Ask}, "a\nb\n")
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("a", 1<<18)+"\n"+strings.Repeat("b", 1<<18)+"\n", got)
}

// A server that does not notice the client's end does not keep it.
func TestAskUnnoticed(t *testing.T) {
	t.Parallel()
	leave := make(chan struct{})
	defer close(leave)
	address := serve(t, func(conn net.Conn) {
		if until(conn, "\n") == nil {
			fmt.Fprint(conn, "answer")
		}
		<-leave
	})
	got, err := hold(t, Settings{Address: address, Mode: Ask}, "one\n")
	require.NoError(t, err)
	require.Equal(t, "answer", got)
}

// The rest of an answer is waited for as long as it may reasonably take.
func TestRemainder(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		framing, text string
		wait          time.Duration
	}{
		{Line, "answer\n", glance},
		{Line, "answer", linger},
		{Chunk, "answer\n", linger},
	} {
		c := newListener(Settings{Framing: test.framing})
		require.NoError(t, c.pass([]byte(test.text), time.Now()))
		require.Equal(t, test.wait, c.remainder(), test)
	}
}

// newListener is a conversation that has no connection, and passes on to an output.
func newListener(s Settings) *conversation {
	s.Output = newOutput()
	return &conversation{Settings: &s, answered: make(chan struct{}, 1)}
}

// To a person what comes after a while is a line of its own; one that comes in parts is one.
func TestQuiet(t *testing.T) {
	t.Parallel()
	for attended, want := range map[bool]string{true: "|notice|message|bye", false: "noticemessagebye"} {
		c := newListener(Settings{Framing: Line, Attended: attended})
		for _, text := range []string{"not", "ice", "mess", "age", "bye"} {
			now := c.passed.Add(quiet)
			if text == "mess" || text == "bye" {
				now = now.Add(1)
			}
			if text == "not" {
				now = time.Now()
			}
			require.NoError(t, c.pass([]byte(text), now))
		}
		require.Equal(t, want, c.Output.(*output).String())
	}
}

func TestEach(t *testing.T) {
	t.Parallel()
	connections := make(chan int, 1)
	connections <- 0
	address := serve(t, func(conn net.Conn) {
		n := <-connections + 1
		connections <- n
		line, _ := bufio.NewReader(conn).ReadString('\n')
		fmt.Fprintf(conn, "%d %s", n, line)
	})
	got, err := hold(t, Settings{Address: address, Mode: Each, CRLF: true}, "one\ntwo")
	require.NoError(t, err)
	require.Equal(t, "1 one\r\n2 two\r\n", got)
	require.Equal(t, 2, <-connections)
}

// What the peer says of its own accord is passed on while nothing is sent.
func TestUnasked(t *testing.T) {
	t.Parallel()
	received := make(chan string, 1)
	address := serve(t, func(conn net.Conn) {
		fmt.Fprint(conn, "welcome\n")
		_ = until(conn, "\n")
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		more, _ := io.ReadAll(conn)
		received <- "one\n" + string(more)
		_ = conn.SetReadDeadline(time.Time{})
		fmt.Fprint(conn, "answer\n")
		_ = until(conn, "\n")
		fmt.Fprint(conn, "answer\n")
	})
	read, write := io.Pipe()
	out := newOutput()
	done := make(chan error, 1)
	go func() {
		done <- Run(t.Context(), Settings{Address: address, Mode: Ask, Framing: Line, Input: read, Output: out})
	}()
	out.Await(t, "welcome\n")
	_, err := io.WriteString(write, "one\ntwo\n")
	require.NoError(t, err)
	require.Equal(t, "one\n", <-received) // for which the welcome is no answer
	out.Await(t, "answer\n")
	require.NoError(t, write.Close())
	require.NoError(t, <-done)
}

func TestClosedByPeer(t *testing.T) {
	t.Parallel()
	address := serve(t, func(conn net.Conn) { fmt.Fprint(conn, "bye") })
	for _, mode := range []string{Duplex, Once, Ask} {
		got, err := holdWith(t, Settings{Address: address, Mode: mode}, endless(t))
		require.ErrorIs(t, err, ErrClosed)
		require.Equal(t, address.String()+": "+ErrClosed.Error(), err.Error())
		require.Equal(t, "bye", got)
	}
}

// A connection that is reset within an answer has lost the rest of it.
func TestResetWithinAnAnswer(t *testing.T) {
	t.Parallel()
	reset := func(answer string) func(net.Conn) {
		return func(conn net.Conn) {
			if until(conn, "\n") != nil {
				return
			}
			fmt.Fprint(conn, answer)
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
	}
	for _, mode := range []string{Duplex, Ask, Each, Once} {
		got, err := hold(t, Settings{Address: serve(t, reset("part of the ans")), Mode: mode}, "one\n")
		require.ErrorIs(t, err, ErrClosed, mode)
		require.Equal(t, "part of the ans", got)
	}
	for _, mode := range []string{Ask, Each} {
		_, err := hold(t, Settings{Address: serve(t, reset("all of it\n")), Mode: mode}, "one\n")
		require.NoError(t, err, mode)
	}
}

// To a person a peer that ends in good order is no riddle; one that breaks off is.
func TestEnded(t *testing.T) {
	t.Parallel()
	address := serve(t, func(conn net.Conn) { fmt.Fprint(conn, "bye") })
	for _, mode := range []string{Duplex, Ask} {
		got, err := holdWith(t, Settings{Address: address, Mode: mode, Attended: true}, endless(t))
		require.ErrorIs(t, err, ErrClosed)
		require.Equal(t, address.String()+" has ended the conversation", err.Error())
		require.Equal(t, "|bye", got)
	}
	address = serve(t, func(conn net.Conn) {
		_ = until(conn, "\n")
		_ = conn.(*net.TCPConn).SetLinger(0)
	})
	_, err := holdWith(t, Settings{Address: address, Attended: true}, io.MultiReader(strings.NewReader("one\n"), endless(t)))
	require.ErrorIs(t, err, ErrClosed)
	require.NotErrorIs(t, err, ErrEnded)
	require.ErrorContains(t, err, "look at the server's log")
}

// The end of the peer is expected after a message that asks for it.
func TestQuit(t *testing.T) {
	t.Parallel()
	address := serve(t, func(conn net.Conn) {
		if until(conn, "end\n") == nil {
			_, _ = io.WriteString(conn, "goodbye\n")
		}
	})
	for input, expected := range map[string]bool{
		"/quit end\n": true, "/QUIT end\n": true, "one\n/quit end\n": true, " /quit end\n": true, "one end\n": false, "/quit end\n end\n": false,
	} {
		for _, attended := range []bool{false, true} {
			s := Settings{Address: address, Attended: attended, Quit: []string{"/quit end"}}
			got, err := holdWith(t, s, io.MultiReader(strings.NewReader(input), endless(t)))
			require.Contains(t, got, "goodbye\n")
			if expected {
				require.NoError(t, err, input)
				continue
			}
			require.ErrorIs(t, err, ErrClosed, input)
		}
	}
}

func TestClosedWithoutAnswer(t *testing.T) {
	t.Parallel()
	address := serve(t, func(conn net.Conn) { _ = until(conn, "\n") })
	for _, mode := range []string{Ask, Each} {
		got, err := hold(t, Settings{Address: address, Mode: mode}, "one\ntwo\n")
		require.ErrorIs(t, err, ErrClosed)
		require.Empty(t, got)
	}
}

// An answer counts, however soon the peer closes after it.
func TestClosedAfterAnswer(t *testing.T) {
	t.Parallel()
	address := serve(t, func(conn net.Conn) {
		_ = until(conn, "\n")
		fmt.Fprint(conn, "bye")
	})
	for range 50 {
		got, err := hold(t, Settings{Address: address, Mode: Ask}, "one\n")
		require.NoError(t, err)
		require.Equal(t, "bye", got)
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	address := serve(t, func(conn net.Conn) {
		_ = until(conn, "\n")
		_ = conn.(*net.TCPConn).SetLinger(0)
	})
	_, err := hold(t, Settings{Address: address}, "one\n")
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorContains(t, err, "connection reset by peer")
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	address := serve(t, func(conn net.Conn) { _ = until(conn, "never") })
	for _, mode := range []string{Ask, Each} {
		_, err := hold(t, Settings{Address: address, Mode: mode, Timeout: 50 * time.Millisecond}, "one\n")
		require.ErrorIs(t, err, ErrTimeout)
		require.ErrorContains(t, err, "no answer within 50ms; check the address, or wait longer with --timeout")
	}
}

// The wait for the end of the peer is one for an answer, too.
func TestTimeoutDrains(t *testing.T) {
	t.Parallel()
	leave := make(chan struct{})
	address := serve(t, func(conn net.Conn) {
		fmt.Fprint(conn, "answer")
		<-leave
	})
	for _, mode := range []string{Duplex, Once} {
		got, err := hold(t, Settings{Address: address, Mode: mode, Timeout: 200 * time.Millisecond}, "one\n")
		require.ErrorIs(t, err, ErrTimeout)
		require.Equal(t, "answer", got)
	}
	close(leave)
}

// Who answers slowly is heard out, as long as no silence is too long.
func TestTimeoutSlow(t *testing.T) {
	t.Parallel()
	address := serve(t, func(conn net.Conn) {
		_, _ = io.Copy(io.Discard, conn)
		for range 3 {
			fmt.Fprint(conn, "word ")
			time.Sleep(400 * time.Millisecond)
		}
	})
	got, err := hold(t, Settings{Address: address, Timeout: time.Second}, "one\n")
	require.NoError(t, err)
	require.Equal(t, "word word word ", got)
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	address := serve(t, func(conn net.Conn) {
		cancel()
		_, _ = io.Copy(io.Discard, conn)
	})
	out := newOutput()
	require.NoError(t, Run(ctx, Settings{Address: address, Mode: Duplex, Framing: Line, Input: endless(t), Output: out}))
}

// An input or output that fails ends the conversation.
func TestFailures(t *testing.T) {
	t.Parallel()
	address := serve(t, echo)
	read, write := io.Pipe()
	require.NoError(t, write.CloseWithError(os.ErrPermission))
	_, err := holdWith(t, Settings{Address: address}, read)
	require.ErrorIs(t, err, os.ErrPermission)
	require.ErrorContains(t, err, "read the input")
	read, write = io.Pipe()
	require.NoError(t, read.CloseWithError(os.ErrPermission))
	err = Run(t.Context(), Settings{Address: address, Mode: Ask, Framing: Line, Input: strings.NewReader("one\n"), Output: Plain{write}})
	require.ErrorIs(t, err, os.ErrPermission)
	require.ErrorContains(t, err, "write the output")
}

func TestUnix(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	serveOn(t, l, echo)
	got, err := hold(t, Settings{Address: Address{Network: "unix", Host: path}}, "one\n")
	require.NoError(t, err)
	require.Equal(t, "one\n", got)
}

// A panic leaves time to tidy up, and still ends the program.
func TestPanic(t *testing.T) {
	t.Parallel()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "CLIENT_TEST_PANIC="+serve(t, echo).Host, "GORACE=atexit_sleep_ms=0")
	out, err := c.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "tidied up\npanic: on purpose")
}

type panics struct{ Plain }

func (panics) Write([]byte) (int, error) { panic("on purpose") }

func panicWith(address string) {
	_ = Run(context.Background(), Settings{
		Address: Address{Network: "tcp", Host: address}, Mode: Ask, Framing: Line,
		Input: strings.NewReader("one\n"), Output: panics{}, OnPanic: func() { fmt.Println("tidied up") },
	})
}
