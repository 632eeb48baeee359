package framework_test

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// straight uses the connection itself beside rfile and wfile, as the first line says.
var straight = framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
	return &framework.HandlerClass{New: func() framework.Handler { return &straightHandler{} }}, nil
})

func init() { constructors = append(constructors, straight) }

type straightHandler struct{ framework.StreamRequestHandler }

func (h *straightHandler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	line, err := rfile.ReadString('\n')
	if err != nil {
		return err
	}
	switch strings.TrimSpace(line) {
	case "kind":
		_, err = fmt.Fprintf(wfile, "%T %t\n", h.Conn(), h.Conn() == h.Conn())
	case "much": // more than the system takes at once
		_, err = io.WriteString(wfile, strings.Repeat("much", 1<<20))
	case "stuck": // so does one a write
		ended := make(chan error)
		go func() {
			_, err := wfile.Write(make([]byte, 64<<20))
			ended <- err
		}()
		for range 1000 {
			runtime.Gosched()
		}
		_ = h.Conn().SetWriteDeadline(time.Unix(1, 0))
		err = <-ended
	case "copy":
		_, err = io.Copy(wfile, rfile)
	case "idle": // the timeouts of the server go on
		h.Conn()
		_, err = rfile.ReadString('\n')
		_, _ = fmt.Fprintf(h.Conn(), "%t\n", errors.Is(err, os.ErrDeadlineExceeded))
	case "deadline": // one that the handler sets ends a read that waits
		ended := make(chan error)
		go func() {
			_, err := rfile.ReadString('\n')
			ended <- err
		}()
		for range 1000 {
			runtime.Gosched()
		}
		_ = h.Conn().SetReadDeadline(time.Unix(1, 0))
		_, err = fmt.Fprintf(wfile, "%t\n", errors.Is(<-ended, os.ErrDeadlineExceeded))
	}
	return err
}

// The connection of a handler is the same to it whatever process it runs in.
func TestConnOfHandler(t *testing.T) {
	for name, strategy := range newStrategy {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, impatient := newServer["tcp"](t, class(t, straight)), newServer["tcp"](t, class(t, straight))
			s.Strategy, impatient.Strategy = strategy(), strategy()
			impatient.Timeouts = framework.Timeouts{Idle: 300 * time.Millisecond}
			frameworktest.Serve(t, s)
			frameworktest.Serve(t, impatient)
			require.Equal(t, "*net.TCPConn true\n", askAll(t, s, "kind\n"))
			require.Equal(t, "true\n", askAll(t, impatient, "idle\n"))
			require.True(t, strings.Repeat("much", 1<<20) == askAll(t, s, "much\n"), "other bytes")
			for range 5 {
				require.Equal(t, "true\n", askAll(t, s, "deadline\n"))
			}
		})
	}
}

// straightServer makes a server whose first error comes from the channel.
func straightServer(t *testing.T, strategy framework.Strategy) (*framework.BaseServer, <-chan error) {
	t.Helper()
	s := newServer["tcp"](t, class(t, straight))
	s.Strategy = strategy
	failed := make(chan error, 1)
	s.HandleError = func(_ *framework.Request, err error) { failed <- err }
	return s, failed
}

// A deadline that a handler sets ends a write that waits for the client.
func TestWriteDeadlineOfHandler(t *testing.T) {
	for _, name := range []string{"threading", "forking"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, failed := straightServer(t, newStrategy[name]())
			frameworktest.Serve(t, s)
			frameworktest.Send(t, frameworktest.Dial(t, s), "stuck\n")
			require.ErrorIs(t, frameworktest.Await(t, failed), os.ErrDeadlineExceeded)
		})
	}
}

// A client that has gone before its handler reads is an end like others.
func TestResetBeforeRead(t *testing.T) {
	for _, name := range []string{"threading", "forking"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, failed := straightServer(t, newStrategy[name]())
			require.NoError(t, s.Listen())
			conn := frameworktest.Dial(t, s)
			frameworktest.Reset(t, conn)
			frameworktest.Serve(t, s)
			require.ErrorIs(t, frameworktest.Await(t, failed), framework.ErrPeerGone)
		})
	}
}

// Bytes in bulk come back as they were sent.
func TestBulk(t *testing.T) {
	text := make([]byte, 3<<20)
	_, _ = rand.Read(text)
	for name, strategy := range newStrategy {
		for _, network := range []string{"tcp", "unix"} {
			t.Run(name+"/"+network, func(t *testing.T) {
				t.Parallel()
				s := newServer[network](t, class(t, straight))
				s.Strategy = strategy()
				frameworktest.Serve(t, s)
				conn := frameworktest.Dial(t, s)
				frameworktest.Send(t, conn, "copy\n")
				sent := make(chan error, 1)
				go func() {
					_, err := conn.Write(text)
					sent <- errors.Join(err, conn.(interface{ CloseWrite() error }).CloseWrite())
				}()
				got, err := io.ReadAll(conn)
				require.NoError(t, err)
				require.NoError(t, frameworktest.Await(t, sent))
				require.Equal(t, len(text), len(got))
				require.True(t, string(text) == string(got), "other bytes")
			})
		}
	}
}
