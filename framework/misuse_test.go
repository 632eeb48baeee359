package framework_test

import (
	"bufio"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A deadline that a handler sets on the connection ends its read, as settimeout does.
func TestDeadlineOfAHandler(t *testing.T) {
	failed := make(chan error, 2)
	s := newServer["tcp"](t, class(t, framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
		return &framework.HandlerClass{New: func() framework.Handler { return &impatient{failed: failed} }}, nil
	})))
	s.Strategy = &framework.Threading{}
	s.Timeouts = framework.Timeouts{Idle: time.Hour}
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "first\n")
	require.NoError(t, frameworktest.Await(t, failed))
	require.ErrorIs(t, frameworktest.Await(t, failed), os.ErrDeadlineExceeded)
	frameworktest.Send(t, conn, "later\n")
	frameworktest.Expect(t, conn, "later\n")
}

type impatient struct {
	framework.StreamRequestHandler
	failed chan error
}

func (h *impatient) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	_, err := rfile.ReadString('\n')
	h.failed <- err
	if err := h.Conn().SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return err
	}
	_, err = rfile.ReadString('\n')
	h.failed <- err
	line, err := rfile.ReadString('\n') // has the server's timeouts again
	_, _ = io.WriteString(wfile, line)
	return err
}

// What a handler keeps of one request never reads another client's.
func TestKeptFiles(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			kept := make(chan *bufio.Reader, 10)
			s := newServer[network](t, class(t, framework.Func(func(rfile *bufio.Reader, wfile io.Writer) error {
				kept <- rfile
				line, err := rfile.ReadString('\n')
				_, _ = io.WriteString(wfile, line)
				return err
			})))
			s.Strategy = &framework.Threading{}
			frameworktest.Serve(t, s)
			require.Equal(t, "first\n", ask(t, s, "first\n"))
			first := frameworktest.Await(t, kept)
			require.Equal(t, "secret\n", ask(t, s, "secret\nand more\n"))
			require.NotSame(t, first, frameworktest.Await(t, kept))
			rest, _ := io.ReadAll(first)
			require.NotContains(t, string(rest), "secret")
			require.NotContains(t, string(rest), "and more")
		})
	}
}

// Clients that send what nobody reads do not hold up the loop of a synchronous server.
func TestUnreadBytesAndTheLoop(t *testing.T) {
	began := make(chan struct{}, 10)
	s := newServer["tcp"](t, class(t, framework.Func(func(rfile *bufio.Reader, _ io.Writer) error {
		_, err := rfile.Peek(1)
		began <- struct{}{}
		return err
	})))
	s.Strategy, s.ReadBuffer = &framework.Synchronous{}, 16
	clients := &stayingClients{s.Transport, make(chan struct{})}
	defer close(clients.leave)
	s.Transport = clients
	frameworktest.Serve(t, s)
	for range 5 {
		frameworktest.Send(t, frameworktest.Dial(t, s), "more than the buffer of the reader holds\n") // and stays
		frameworktest.Await(t, began)
	}
}

// A panic in a hook is not the end of the server.
func TestPanicInHandleError(t *testing.T) {
	s := threadingServer(t, func(rfile *bufio.Reader, wfile io.Writer) error {
		line, err := rfile.ReadString('\n')
		if line == "fail\n" {
			return os.ErrInvalid
		}
		_, _ = io.WriteString(wfile, line)
		return err
	})
	s.HandleError = func(*framework.Request, error) { panic("in the hook") }
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "fail\n")
	frameworktest.ExpectEnd(t, conn)
	require.Equal(t, "hello\n", ask(t, s, "hello\n"))
}
