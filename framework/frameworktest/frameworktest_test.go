package frameworktest_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

func TestMain(m *testing.M) {
	framework.ServeWorker(upper)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children would sleep a second each
	goleak.VerifyTestMain(m)
}

// upper answers a line in capitals and logs it. It fails for an empty one.
var upper = framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
	return &framework.HandlerClass{New: func() framework.Handler { return &handler{} }}, nil
})

type handler struct{ framework.BaseRequestHandler }

func (h *handler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	line, err := rfile.ReadString('\n')
	if err != nil {
		return err
	}
	if line == "\n" {
		return errors.New("an empty line")
	}
	h.Log().Info("answers", "line", line)
	_, err = fmt.Fprint(wfile, strings.ToUpper(line))
	return err
}

// datagrams is upper for udp alone.
func datagrams(t *testing.T) *framework.HandlerClass {
	class := frameworktest.Class(t, upper, "")
	class.Networks = []string{"udp"}
	return class
}

func TestRunReturnsOutputAndError(t *testing.T) {
	for name, class := range map[string]*framework.HandlerClass{"stream": frameworktest.Class(t, upper, ""), "datagram": datagrams(t)} {
		t.Run(name, func(t *testing.T) {
			output, err := frameworktest.Run(t, class, "hello\n")
			require.NoError(t, err)
			require.Equal(t, "HELLO\n", output)
			output, err = frameworktest.Run(t, class, "\n")
			require.EqualError(t, err, "an empty line")
			require.Empty(t, output)
			output, err = frameworktest.Run(t, class, "")
			require.NoError(t, err, "io.EOF is the regular end")
			require.Empty(t, output)
		})
	}
}

func TestRunReportsAPanic(t *testing.T) {
	class := frameworktest.Class(t, framework.Func(func(*bufio.Reader, io.Writer) error { panic("no") }), "")
	_, err := frameworktest.Run(t, class, "")
	var panicked *framework.PanicError
	require.ErrorAs(t, err, &panicked)
}

func TestRunClosesTheClass(t *testing.T) {
	closed := 0
	t.Run("run", func(t *testing.T) {
		class := frameworktest.Class(t, upper, "")
		class.Close = func() error { closed++; return nil }
		_, err := frameworktest.Run(t, class, "hello\n")
		require.NoError(t, err)
		require.Zero(t, closed, "the test goes on")
	})
	require.Equal(t, 1, closed)
}

func TestServeOnEveryTransportUnderEveryStrategy(t *testing.T) {
	for _, network := range frameworktest.Networks {
		for name, strategy := range map[string]framework.Strategy{
			"threading": &framework.Threading{}, "synchronous": nil, "forking": &framework.Forking{}, "preforking": &framework.Preforking{Workers: 1},
		} {
			t.Run(network+"/"+name, func(t *testing.T) {
				log := frameworktest.NewLog()
				s := frameworktest.NewServer(t, network, frameworktest.Class(t, upper, "{}"))
				s.Strategy, s.Log = strategy, log.Logger()
				frameworktest.Serve(t, s)
				require.Equal(t, "HELLO\n", frameworktest.Ask(t, frameworktest.Dial(t, s), "hello\n"))
				require.Contains(t, log.Await(t, "answers"), "line=")
			})
		}
	}
}

func TestExample(t *testing.T) { testDouble(t) }

func TestServeStopsAtTheEndOfTheTest(t *testing.T) {
	var address net.Addr
	t.Run("serve", func(t *testing.T) {
		address = frameworktest.Serve(t, frameworktest.NewServer(t, "tcp", frameworktest.Class(t, upper, ""))).Addr()
	})
	_, err := net.Dial("tcp", address.String())
	require.Error(t, err)
}

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) FailNow()              { r.failed = true; panic(r) }

func fails(t *testing.T, check func(t testing.TB)) {
	t.Helper()
	r := &recorder{TB: t}
	defer func() { require.True(t, recover() == r && r.failed) }()
	check(r)
}

// Nobody serves at an address until the test does.
func TestAddress(t *testing.T) {
	datagrams, err := net.Dial("udp", frameworktest.Address(t, "udp"))
	require.NoError(t, err)
	_, err = datagrams.Write([]byte("hello"))
	require.NoError(t, err)
	_, err = datagrams.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NoError(t, datagrams.Close())

	address := frameworktest.Address(t, "tcp")
	_, err = net.Dial("tcp", address)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	s := &framework.NewTCPServer(address, frameworktest.Class(t, upper, "")).BaseServer
	s.Log = hclog.NewNullLogger()
	frameworktest.Serve(t, s)
	require.Equal(t, "HELLO\n", frameworktest.Ask(t, frameworktest.Dial(t, s), "hello\n"))
}

func TestChecksFail(t *testing.T) {
	s := frameworktest.Serve(t, frameworktest.NewServer(t, "tcp", frameworktest.Class(t, upper, "")))
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "hello\n")
	fails(t, func(t testing.TB) { frameworktest.Expect(t, conn, "hello\n") })
	fails(t, func(t testing.TB) { frameworktest.Expect(t, conn, "more") })
	frameworktest.ExpectEnd(t, conn)

	conn = frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "hello\n")
	fails(t, func(t testing.TB) { frameworktest.ExpectEnd(t, conn) })
	require.Equal(t, "ELLO\n", frameworktest.End(t, conn))

	fails(t, func(t testing.TB) { frameworktest.DialAddress(t, "tcp", "127.0.0.1:0") })
	fails(t, func(t testing.TB) { frameworktest.Class(t, upper, `{"no": "such option"}`) })
	require.NoError(t, s.Close())
	fails(t, func(t testing.TB) { frameworktest.Serve(t, s) }) // a server serves once
}

func TestLogCountsWhatItAwaits(t *testing.T) {
	log := frameworktest.NewLog()
	go func() {
		for i := range 3 {
			fmt.Fprintln(log, "line", i)
		}
	}()
	require.Equal(t, "line 0\nline 1\nline 2\n", log.AwaitCount(t, 3, "line"))
	require.Equal(t, 1, log.Count("line 1"))
	require.NotContains(t, log.Await(t, "line 2"), "line 3")
}
