package framework_test

import (
	"bufio"
	"io"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// newServer makes a server of each transport of this package, on a free address and with the
// strategy of a server that is given none.
var newServer = map[string]func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer{
	"tcp": own("tcp"), "udp": own("udp"), "unix": own("unix"), "unixgram": own("unixgram"),
}

func own(network string) func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer {
	return func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		s := frameworktest.NewServer(t, network, class)
		s.Strategy = nil
		return s
	}
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

// underEach runs test with a server of c on a network, under each of the strategies.
func underEach(t *testing.T, strategies map[string]func() framework.Strategy, network string, c framework.Constructor, test func(*testing.T, *framework.BaseServer)) {
	t.Helper()
	for name, strategy := range strategies {
		t.Run(network+"/"+name, func(t *testing.T) {
			t.Parallel()
			s := newServer[network](t, class(t, c))
			s.Strategy = strategy()
			test(t, s)
		})
	}
}

// class makes the class of c with its default options.
func class(t *testing.T, c framework.Constructor) *framework.HandlerClass {
	t.Helper()
	return frameworktest.Class(t, c, "")
}

// threadingServer makes a TCP server of a function.
func threadingServer(t *testing.T, handle func(rfile *bufio.Reader, wfile io.Writer) error) *framework.BaseServer {
	t.Helper()
	return frameworktest.NewServer(t, "tcp", class(t, framework.Func(handle)))
}

// forkingServer makes a TCP server of act whose children are this program.
func forkingServer(t *testing.T, f *framework.Forking) *framework.BaseServer {
	t.Helper()
	s := newServer["tcp"](t, class(t, act))
	s.Strategy = f
	return s
}

// start starts s, which the test stops, and returns the result of ServeForever.
func start(t *testing.T, s *framework.BaseServer) <-chan error {
	t.Helper()
	require.NoError(t, s.Listen())
	served := make(chan error, 1)
	go func() { served <- s.ServeForever() }()
	return served
}

// logOf makes s write its log to a new one.
func logOf(s *framework.BaseServer) *frameworktest.Log {
	log := frameworktest.NewLog()
	s.Log = log.Logger()
	return log
}

// ask sends text over a connection of its own and returns the result of one read.
func ask(t *testing.T, s *framework.BaseServer, text string) string {
	t.Helper()
	conn := frameworktest.Dial(t, s)
	answer := frameworktest.Ask(t, conn, text)
	require.NoError(t, conn.Close())
	return answer
}

// askAll sends text over a connection of its own and returns all that comes back.
func askAll(t *testing.T, s *framework.BaseServer, text string) string {
	t.Helper()
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, text)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	return string(answer)
}

// eventually waits for a state that has no event, as that of another process.
func eventually(t *testing.T, what func() bool, message string) {
	t.Helper()
	for late := time.Now().Add(frameworktest.Patience); !what(); time.Sleep(2 * time.Millisecond) {
		require.True(t, time.Now().Before(late), message)
	}
}

// errorsOf collects what s reports.
func errorsOf(s *framework.BaseServer) <-chan error {
	errs := make(chan error, 100)
	s.HandleError = func(_ *framework.Request, err error) { errs <- err }
	return errs
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

// openFiles returns the number of descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc")
	}
	return len(entries)
}
