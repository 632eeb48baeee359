package framework_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A client that resets the connection is an error of its kind to the handler, and a
// line of the log only at debug.
func TestResetIsLoggedOnlyAtDebug(t *testing.T) {
	underEach(t, newStrategy, "tcp", act, func(t *testing.T, s *framework.BaseServer) {
		book := logOf(s)
		frameworktest.Serve(t, s)
		conn := hold(t, s)
		frameworktest.Reset(t, conn)
		book.Await(t, "request ended early")
		require.NotContains(t, book.String(), "[ERROR]")
		require.Equal(t, "alive\n", ask(t, s, "echo alive\n"))
	})
}

// So is a write to one that has gone.
func TestWriteToAPeerThatHasGone(t *testing.T) {
	errs := make(chan error, 1)
	s := threadingServer(t, func(_ *bufio.Reader, wfile io.Writer) error {
		for {
			if _, err := wfile.Write(make([]byte, 64<<10)); err != nil {
				errs <- err
				return err
			}
		}
	})
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	_, err := io.ReadFull(conn, make([]byte, 100))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.ErrorIs(t, frameworktest.Await(t, errs), framework.ErrPeerGone)
}

// A client that has ended its half reads the whole answer.
func TestHalfClosedClientReadsTheAnswer(t *testing.T) {
	underEach(t, newStrategy, "tcp", act, func(t *testing.T, s *framework.BaseServer) {
		frameworktest.Serve(t, s)
		conn := frameworktest.Dial(t, s)
		frameworktest.Send(t, conn, "hold\n")
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		frameworktest.Expect(t, conn, "holding\n")
		frameworktest.Expect(t, conn, "released \n")
		frameworktest.ExpectEnd(t, conn)
	})
}

// So does one that has sent more than anybody reads. Closing with unread bytes would
// reset the connection and take the answer with it.
func TestClientThatSentTooMuchReadsTheAnswer(t *testing.T) {
	underEach(t, newStrategy, "tcp", act, func(t *testing.T, s *framework.BaseServer) {
		frameworktest.Serve(t, s)
		conn := frameworktest.Dial(t, s)
		frameworktest.Send(t, conn, "echo "+strings.Repeat("answer", 100)+"\n"+strings.Repeat("unread", 10000))
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("answer", 100)+"\n", string(answer))
	})
}

// A handler gets the bytes as they are, and a line without an end costs no more than
// its buffer where the handler reads so.
func TestBytesArriveUnchanged(t *testing.T) {
	s := threadingServer(t, copyBack)
	frameworktest.Serve(t, s)
	for _, text := range []string{"\x00\x00", "\xff\xfe", "a\rb\r\nc\n", "\u202e\x1b[2J"} {
		require.Equal(t, text, ask(t, s, text))
	}
}

// ReadSlice refuses what is longer than the read buffer.
func TestReadSliceRefusesALongLine(t *testing.T) {
	errs := make(chan error, 1)
	s := threadingServer(t, func(rfile *bufio.Reader, wfile io.Writer) error {
		_, err := rfile.ReadSlice('\n')
		errs <- err
		return nil
	})
	s.ReadBuffer = 100
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, strings.Repeat("a", 101))
	require.ErrorIs(t, frameworktest.Await(t, errs), bufio.ErrBufferFull)
}

// A client whose machine has lost power is found out by probes, within the interval
// and a few seconds. The machine is a network namespace that
// cannot answer any more.
func TestHalfOpenPeerIsDropped(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	ip := func(args ...string) error { return exec.Command("ip", args...).Run() }
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs ip, of iproute2")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	// Names and addresses of this process alone, as another one may run the same test.
	pid := os.Getpid()
	name := fmt.Sprint("fwtest", pid%1e7)
	address := func(last int) string { return fmt.Sprintf("198.18.%d.%d", pid>>6&255, pid&63<<2+last) }
	if ip("netns", "add", name) != nil {
		t.Skip("needs the right to make a network namespace")
	}
	t.Cleanup(func() { // the link first: what was never acknowledged keeps the namespace
		_ = ip("link", "del", name)
		require.NoError(t, ip("netns", "del", name))
	})
	require.NoError(t, ip("link", "add", name, "type", "veth", "peer", "name", "far", "netns", name))
	require.NoError(t, ip("addr", "add", address(1)+"/30", "dev", name))
	require.NoError(t, ip("link", "set", name, "up"))
	require.NoError(t, ip("-n", name, "addr", "add", address(2)+"/30", "dev", "far"))
	require.NoError(t, ip("-n", name, "link", "set", "far", "up"))

	s := framework.NewTCPServer(address(1)+":0", class(t, act))
	s.Strategy = &framework.Threading{}
	s.KeepAlive = time.Second
	errs := errorsOf(&s.BaseServer)
	frameworktest.Serve(t, &s.BaseServer)
	client := exec.Command("ip", "netns", "exec", name, python, "-c", `
import socket, sys
host, port = sys.argv[1].rsplit(":", 1)
s = socket.create_connection((host, int(port)))
s.sendall(b"hold\n")
print(s.recv(100), flush=True)
sys.stdin.read()
`, s.Addr().String())
	stdin, err := client.StdinPipe()
	require.NoError(t, err)
	stdout, err := client.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, client.Start())
	t.Cleanup(func() { _ = client.Process.Kill() })
	_, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, ip("-n", name, "route", "add", "blackhole", address(1)+"/32"))
	require.Error(t, frameworktest.Await(t, errs))
	require.NoError(t, stdin.Close())
	require.NoError(t, client.Wait())
}
