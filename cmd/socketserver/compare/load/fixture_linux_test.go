package load

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/handlers/echo"
)

// mortalVariable makes the test binary a server that dies in its twentieth request.
const mortalVariable = "LOAD_TEST_MORTAL"

func TestMain(m *testing.M) {
	hclog.SetDefault(hclog.NewNullLogger())
	if os.Getenv(mortalVariable) != "" {
		beMortal()
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	goleak.VerifyTestMain(m)
}

func beMortal() {
	var requests atomic.Int64
	class, err := framework.Func(func(rfile *bufio.Reader, wfile io.Writer) error {
		for {
			line, err := rfile.ReadString('\n')
			if err != nil {
				return err
			}
			if requests.Add(1) >= 20 {
				os.Exit(0)
			}
			if _, err := io.WriteString(wfile, line); err != nil {
				return err
			}
		}
	}).Class(nil)
	if err != nil {
		panic(err)
	}
	s := framework.NewTCPServer("127.0.0.1:0", class)
	s.Strategy = &framework.Threading{}
	if err := s.Listen(); err != nil {
		panic(err)
	}
	fmt.Println(s.Addr())
	panic(s.ServeForever())
}

// mortal starts such a server and returns its address.
func mortal(t *testing.T) string {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), mortalVariable+"=1")
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return address[:len(address)-1]
}

// serve serves class until the end of the test, which waits until no client is left.
func serve(t *testing.T, network string, class *framework.HandlerClass, strategy framework.Strategy) string {
	t.Helper()
	s := frameworktest.NewServer(t, network, class)
	s.Strategy = strategy
	return frameworktest.Serve(t, s).Addr().String()
}

// serveFunc is serve of a function under threading.
func serveFunc(t *testing.T, network string, handle func(rfile *bufio.Reader, wfile io.Writer) error) string {
	t.Helper()
	return serve(t, network, frameworktest.Class(t, framework.Func(handle), ""), &framework.Threading{})
}

func serveEcho(t *testing.T, network string) string {
	t.Helper()
	return serve(t, network, frameworktest.Class(t, echo.Constructor, ""), &framework.Threading{})
}

// accept has serve do as it likes with each connection, until the end of the test.
func accept(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return l.Addr().String()
}

// readLine reads one line, byte by byte.
func readLine(conn net.Conn) {
	for b := []byte{0}; b[0] != '\n'; {
		if _, err := conn.Read(b); err != nil {
			return
		}
	}
}

// plan is a short one with few clients.
func plan(network, address, kind string) Plan {
	message := []byte("what the clients say\n")
	return Plan{
		Network: network, Address: address, Kind: kind, Clients: 4, Message: message, Answer: Line,
		Contains: bytes.TrimSpace(message), Timeout: frameworktest.Patience, Duration: 100 * time.Millisecond,
	}
}

// long gives p the time that a loaded machine may need for a first answer.
func long(p Plan) Plan {
	p.Duration = time.Second
	return p
}

// run runs p, which must end in time.
func run(t *testing.T, p Plan) *Round {
	t.Helper()
	start := time.Now()
	r, err := Run(t.Context(), p)
	require.NoError(t, err)
	require.Less(t, time.Since(start), p.Warmup+p.Duration+frameworktest.Patience/2)
	return r
}

func conversations(address string) Plan { return plan("tcp", address, result.Conversations) }

func connections(address string) Plan { return plan("tcp", address, result.Connections) }
