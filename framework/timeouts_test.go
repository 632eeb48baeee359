package framework_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// inBubble serves one connection with a clock of its own, whose slack is an eighth. The
// result of handle is sent to ended.
func inBubble(t *testing.T, timeouts framework.Timeouts, handle func(rfile *bufio.Reader, wfile io.Writer) error, client func(conn net.Conn, ended <-chan error)) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		transport := newFakeTransport()
		s := &framework.BaseServer{
			Transport: transport, Strategy: &framework.Threading{}, Timeouts: timeouts,
			Class: class(t, framework.Func(func(rfile *bufio.Reader, wfile io.Writer) error {
				err := handle(rfile, wfile)
				ended <- err
				return err
			})),
		}
		served := start(t, s)
		server, conn := net.Pipe()
		transport.requests <- framework.NewStreamRequest("tcp", server)
		client(conn, ended)
		require.NoError(t, conn.Close())
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-served, framework.ErrServerClosed)
	})
}

func readLines(rfile *bufio.Reader, _ io.Writer) error {
	for {
		if _, err := rfile.ReadString('\n'); err != nil {
			return err
		}
	}
}

// requireAfter expects the handler to time out when it should, or up to the slack later, by
// the timeout of that name.
func requireAfter(t *testing.T, began time.Time, name string, timeout time.Duration, ended <-chan error) {
	t.Helper()
	requirePassed(t, name, timeout, <-ended)
	require.GreaterOrEqual(t, time.Since(began), timeout)
	require.LessOrEqual(t, time.Since(began), timeout+min(timeout/8, time.Second)+time.Millisecond)
}

// requirePassed expects the error of a timeout, which is a net.Error as others are.
func requirePassed(t *testing.T, name string, timeout time.Duration, err error) {
	t.Helper()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.EqualError(t, err, fmt.Sprintf("timeouts.%s of %s has passed", name, timeout))
	timedOut, ok := err.(net.Error) //nolint:errorlint // as handlers ask that are older than errors.As
	require.True(t, ok && timedOut.Timeout())
}

// A client that says nothing is idle.
func TestIdleTimeout(t *testing.T) {
	inBubble(t, framework.Timeouts{Idle: time.Minute}, readLines, func(conn net.Conn, ended <-chan error) {
		time.Sleep(50 * time.Second)
		frameworktest.Send(t, conn, "one byte a minute is enough\n")
		began := time.Now()
		requireAfter(t, began, "idle", time.Minute, ended)
	})
}

// A client that listens is not, whether a read has begun before the write or after.
func TestIdleTimeoutCountsWrites(t *testing.T) {
	const writes = 10
	handle := func(rfile *bufio.Reader, wfile io.Writer) error {
		go func() {
			for range writes {
				time.Sleep(50 * time.Second)
				_, _ = io.WriteString(wfile, "tick")
			}
		}()
		return readLines(rfile, wfile)
	}
	inBubble(t, framework.Timeouts{Idle: time.Minute}, handle, func(conn net.Conn, ended <-chan error) {
		for range writes {
			frameworktest.Expect(t, conn, "tick")
		}
		requireAfter(t, time.Now(), "idle", time.Minute, ended)
	})
}

// Read bounds one wait for the client, whatever is written meanwhile.
func TestReadTimeout(t *testing.T) {
	handle := func(rfile *bufio.Reader, wfile io.Writer) error {
		go func() {
			time.Sleep(5 * time.Second)
			_, _ = io.WriteString(wfile, "tick")
		}()
		return readLines(rfile, wfile)
	}
	inBubble(t, framework.Timeouts{Read: 8 * time.Second}, handle, func(conn net.Conn, ended <-chan error) {
		began := time.Now()
		frameworktest.Expect(t, conn, "tick")
		requireAfter(t, began, "read", 8*time.Second, ended)
	})
}

// A client cannot renew Read byte by byte while the handler waits for a line. A line that is
// whole ends the wait, also where the next one has begun.
func TestReadTimeoutOfADrip(t *testing.T) {
	inBubble(t, framework.Timeouts{Read: 8 * time.Second}, readLines, func(conn net.Conn, ended <-chan error) {
		frameworktest.Send(t, conn, "first\nsec")
		time.Sleep(7 * time.Second)
		frameworktest.Send(t, conn, "ond\n")
		time.Sleep(7 * time.Second)
		began := time.Now().Add(-7 * time.Second)
		dripped := make(chan struct{})
		go func() {
			defer close(dripped)
			for range 10 {
				_, _ = conn.Write([]byte("x"))
				time.Sleep(200 * time.Millisecond)
			}
		}()
		requireAfter(t, began, "read", 8*time.Second, ended)
		conn.Close()
		<-dripped
	})
}

// Write bounds a write to a client that does not read; what follows fails at once.
func TestWriteTimeout(t *testing.T) {
	handle := func(_ *bufio.Reader, wfile io.Writer) error {
		_, err := io.WriteString(wfile, "nobody listens")
		_, again := io.WriteString(wfile, "nobody listens")
		if again == nil {
			return again
		}
		return err
	}
	inBubble(t, framework.Timeouts{Write: 8 * time.Second}, handle, func(_ net.Conn, ended <-chan error) {
		requireAfter(t, time.Now(), "write", 8*time.Second, ended)
	})
}

// Request bounds all of it, without slack, however busy the client is.
func TestRequestTimeout(t *testing.T) {
	timeouts := framework.Timeouts{Request: 10 * time.Second, Idle: 5 * time.Second, Write: 5 * time.Second}
	inBubble(t, timeouts, readLines, func(conn net.Conn, ended <-chan error) {
		began := time.Now()
		for range 9 {
			time.Sleep(time.Second)
			frameworktest.Send(t, conn, "busy\n")
		}
		requirePassed(t, "request", 10*time.Second, <-ended)
		require.Equal(t, 10*time.Second, time.Since(began).Truncate(time.Millisecond))
	})
}

// After a timeout rfile can be read on.
func TestReadOnAfterTimeout(t *testing.T) {
	handle := func(rfile *bufio.Reader, wfile io.Writer) error {
		for range 3 {
			if _, err := rfile.Peek(1); err == nil {
				return io.ErrUnexpectedEOF
			}
		}
		return copyBack(rfile, wfile)
	}
	inBubble(t, framework.Timeouts{Read: time.Second}, handle, func(conn net.Conn, ended <-chan error) {
		time.Sleep(3600 * time.Millisecond)
		frameworktest.Send(t, conn, "late")
		frameworktest.Expect(t, conn, "late")
		require.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
	})
}

// A copy in bulk ends as a read does: when the client pauses for too long, when it does
// not read, and when the time of the request is over.
func TestBulkCopyTimeouts(t *testing.T) {
	for name, timeouts := range map[string]framework.Timeouts{
		"idle":    {Idle: 300 * time.Millisecond},
		"write":   {Write: 300 * time.Millisecond},
		"request": {Request: 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 1)
			s := threadingServer(t, func(rfile *bufio.Reader, wfile io.Writer) error {
				err := copyBack(rfile, wfile)
				ended <- err
				return err
			})
			s.Timeouts = timeouts
			frameworktest.Serve(t, s)
			conn := frameworktest.Dial(t, s)
			switch name {
			case "idle": // sends, and then no more
				go func() { _, _ = io.CopyN(conn, zeros{}, 1<<20) }()
				_, err := io.CopyN(io.Discard, conn, 1<<20)
				require.NoError(t, err)
			case "write": // sends, and never reads
				go func() { _, _ = io.Copy(conn, zeros{}) }()
			case "request": // does both without end
				go func() { _, _ = io.Copy(conn, zeros{}) }()
				go func() { _, _ = io.Copy(io.Discard, conn) }()
			}
			requirePassed(t, name, 300*time.Millisecond, frameworktest.Await(t, ended))
			require.NoError(t, conn.Close())
		})
	}
}

// The timeouts are those of the server, also in its children.
func TestTimeoutInChild(t *testing.T) {
	s := forkingServer(t, &framework.Forking{})
	s.Timeouts.Idle = 50 * time.Millisecond
	errs := errorsOf(s)
	frameworktest.Serve(t, s)
	frameworktest.ExpectEnd(t, frameworktest.Dial(t, s))
	err := frameworktest.Await(t, errs)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.EqualError(t, err, "timeouts.idle of 50ms has passed")
}

// That a request took too long is told, wherever it ran; that a client fell silent is not.
func TestRequestTimeoutIsTold(t *testing.T) {
	for name, strategy := range newStrategy {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for timeout, level := range map[string]string{"request": "[INFO]  request ended: it took too long", "read": "[DEBUG] request ended early"} {
				s := newServer["tcp"](t, class(t, act))
				s.Strategy = strategy()
				s.Timeouts = map[string]framework.Timeouts{"request": {Request: 50 * time.Millisecond}, "read": {Read: 50 * time.Millisecond}}[timeout]
				book := logOf(s)
				frameworktest.Serve(t, s)
				frameworktest.ExpectEnd(t, frameworktest.Dial(t, s))
				book.Await(t, level+": ")
				require.Contains(t, book.String(), `error="timeouts.`+timeout+` of 50ms has passed"`)
				require.NotContains(t, book.String(), "i/o timeout")
			}
		})
	}
}

// A handler that takes no notice of its timeout is logged, with its client and its stack, also
// where it runs in a worker. Under forking it is killed.
func TestHandlerThatDoesNotEndIsLogged(t *testing.T) {
	for name, strategy := range newStrategy {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer["tcp"](t, class(t, act))
			s.Strategy, s.Timeouts.Request = strategy(), time.Second
			log := logOf(s)
			served := start(t, s)
			conn := frameworktest.Dial(t, s)
			frameworktest.Send(t, conn, "compute\n")
			frameworktest.Expect(t, conn, "computing\n")
			if strings.HasPrefix(name, "forking") {
				log.Await(t, "child killed: its request has timed out")
			} else {
				line := log.Await(t, "handler does not end though its request has timed out")
				require.Contains(t, line, conn.LocalAddr().String())
				require.Contains(t, line, "actor).Handle")
				require.Contains(t, line, "running=2s")
			}
			s.Stop()
			require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
			frameworktest.Shutdown(t, s)
			require.Equal(t, 1, strings.Count(log.String(), "request has timed out"), log)
		})
	}
}
