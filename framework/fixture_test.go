package framework_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// newServer makes a server of each transport on a free address.
var newServer = map[string]func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer{
	"tcp": func(_ *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		return &framework.NewTCPServer("127.0.0.1:0", class).BaseServer
	},
	"udp": func(_ *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		return &framework.NewUDPServer("127.0.0.1:0", class).BaseServer
	},
	"unix": func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		return &framework.NewUnixStreamServer(filepath.Join(t.TempDir(), "s"), class).BaseServer
	},
	"unixgram": func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		return &framework.NewUnixDatagramServer(filepath.Join(t.TempDir(), "s"), class).BaseServer
	},
}

var newStrategy = map[string]func() framework.Strategy{
	"synchronous": func() framework.Strategy { return &framework.Synchronous{} },
	"threading":   func() framework.Strategy { return &framework.Threading{} },
	"forking":     func() framework.Strategy { return &framework.Forking{} },
	"forking with spares": func() framework.Strategy {
		return &framework.Forking{Spares: 2, MaxRequests: 3}
	},
	"preforking": func() framework.Strategy { return &framework.Preforking{Workers: 2} },
}

// hooked are the strategies under which VerifyRequest and HandleError run.
func hooked() map[string]func() framework.Strategy {
	all := maps.Clone(newStrategy)
	delete(all, "preforking")
	return all
}

// class makes the class of c with its default options.
func class(t *testing.T, c framework.Constructor) *framework.HandlerClass {
	t.Helper()
	class, err := c.Class(nil)
	require.NoError(t, err)
	return class
}

// threadingServer makes a TCP server of a function.
func threadingServer(t *testing.T, handle func(rfile *bufio.Reader, wfile io.Writer) error) *framework.BaseServer {
	t.Helper()
	s := newServer["tcp"](t, class(t, framework.Func(handle)))
	s.Strategy = &framework.Threading{}
	return s
}

// forkingServer makes a TCP server of act whose children are this program.
func forkingServer(t *testing.T, f *framework.Forking) *framework.BaseServer {
	t.Helper()
	s := newServer["tcp"](t, class(t, act))
	s.Strategy = f
	return s
}

// serve starts s and stops it at the end of the test.
func serve(t *testing.T, s *framework.BaseServer) {
	t.Helper()
	served := start(t, s)
	t.Cleanup(func() {
		shutdown(t, s)
		require.ErrorIs(t, <-served, framework.ErrServerClosed)
	})
}

// start starts s and returns what ServeForever will return.
func start(t *testing.T, s *framework.BaseServer) <-chan error {
	t.Helper()
	require.NoError(t, s.Listen())
	served := make(chan error, 1)
	go func() { served <- s.ServeForever() }()
	return served
}

// shutdown waits until nothing of s is left.
func shutdown(t *testing.T, s *framework.BaseServer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, s.Shutdown(ctx))
}

// dial connects to s.
func dial(t *testing.T, s *framework.BaseServer) net.Conn {
	t.Helper()
	var conn net.Conn
	var err error
	if s.Transport.Network() == "unixgram" { // the server answers to the client's own path
		conn, err = net.DialUnix("unixgram",
			&net.UnixAddr{Net: "unixgram", Name: filepath.Join(t.TempDir(), "c")}, s.Addr().(*net.UnixAddr))
	} else {
		conn, err = net.Dial(s.Transport.Network(), s.Addr().String())
	}
	require.NoError(t, err)
	return limit(t, conn)
}

// limit closes conn at the end of the test, and ends what waits for it for too long.
func limit(t *testing.T, conn net.Conn) net.Conn {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

// say sends text.
func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
}

// hear expects to read text next.
func hear(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	n, err := io.ReadFull(conn, got)
	require.NoError(t, err, "after %q", got[:n])
	require.Equal(t, text, string(got))
}

// hearEnd expects the connection to have ended without another byte, by FIN or by RST.
func hearEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	n, err := conn.Read(make([]byte, 1))
	require.Zero(t, n)
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection was not ended")
}

// ask sends text and returns what comes back.
func ask(t *testing.T, s *framework.BaseServer, text string) string {
	t.Helper()
	conn := dial(t, s)
	say(t, conn, text)
	answer := make([]byte, 64<<10)
	n, err := conn.Read(answer)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	return string(answer[:n])
}

// askAll sends text over a connection and returns all that comes back.
func askAll(t *testing.T, s *framework.BaseServer, text string) string {
	t.Helper()
	conn := dial(t, s)
	say(t, conn, text)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	return string(answer)
}

// await waits for an event.
func await[T any](t *testing.T, event <-chan T) T {
	t.Helper()
	select {
	case v := <-event:
		return v
	case <-time.After(patience):
		require.FailNow(t, "waited in vain")
		panic("unreachable")
	}
}

// eventually waits for what has no event, like the state of another process.
func eventually(t *testing.T, what func() bool, message string) {
	t.Helper()
	for late := time.Now().Add(patience); !what(); time.Sleep(2 * time.Millisecond) {
		require.True(t, time.Now().Before(late), message)
	}
}

// errorsOf collects what s reports.
func errorsOf(s *framework.BaseServer) <-chan error {
	errs := make(chan error, 100)
	s.HandleError = func(_ *framework.Request, err error) { errs <- err }
	return errs
}

// logBook is the log of a server.
type logBook struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{} // closed at the next write
}

// logOf makes s write its log to a book.
func logOf(t *testing.T, s *framework.BaseServer) *logBook {
	t.Helper()
	b := newLogBook()
	s.Log = hclog.New(&hclog.LoggerOptions{Name: "test", Level: hclog.Debug, Output: b})
	return b
}

func newLogBook() *logBook { return &logBook{wrote: make(chan struct{})} }

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.wrote)
	b.wrote = make(chan struct{})
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBook) count(part string) int { return strings.Count(b.String(), part) }

// await waits until part has been logged, and returns the log.
func (b *logBook) await(t *testing.T, part string) string {
	t.Helper()
	late := time.After(patience)
	for {
		b.mu.Lock()
		text, wrote := b.text.String(), b.wrote
		b.mu.Unlock()
		if strings.Contains(text, part) {
			return text
		}
		select {
		case <-wrote:
		case <-late:
			require.FailNow(t, "not logged: "+part, text)
		}
	}
}

// pinSelf has the program opened that children run, which stays open.
func pinSelf(t *testing.T) {
	t.Helper()
	s := forkingServer(t, &framework.Forking{})
	require.NoError(t, s.Listen())
	require.NoError(t, s.Close())
}

// requireOpenFiles expects as many descriptors as before. The channel of a child that has
// been reaped is closed a moment later.
func requireOpenFiles(t *testing.T, before int) {
	t.Helper()
	eventually(t, func() bool { return openFiles(t) <= before }, "descriptors are left open")
}

// openFiles is how many descriptors this process has.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc")
	}
	return len(entries)
}
