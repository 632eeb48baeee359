package web

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers until the end of the test, through what wrap makes of its listener.
func serve(t *testing.T, handler http.HandlerFunc, wrap func(net.Listener) net.Listener, log hclog.Logger) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := New(handler, log)
	s.Listen(wrap(l))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return l.Addr().String()
}

func same(l net.Listener) net.Listener { return l }

// ask sends a request on a connection, and returns the status of the answer.
func ask(t *testing.T, conn net.Conn, path string) int {
	t.Helper()
	frameworktest.Send(t, conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
	return status(t, conn)
}

func status(t *testing.T, conn net.Conn) int {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// Strangers that are silent, before a request, within it or after it, keep nobody out; those with
// requests keep their connections.
func TestSilentStrangersKeepNobodyOut(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			begun <- struct{}{}
			<-end
		case "/no":
			http.NotFound(w, r)
		}
	}, same, hclog.NewNullLogger())
	var slow []net.Conn
	for range 2 {
		conn := frameworktest.DialAddress(t, "tcp", address)
		frameworktest.Send(t, conn, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
		frameworktest.Await(t, begun)
		slow = append(slow, conn)
	}
	for range maxConnections {
		require.Equal(t, http.StatusNotFound, ask(t, frameworktest.DialAddress(t, "tcp", address), "/no"))
		frameworktest.DialAddress(t, "tcp", address)
		frameworktest.Send(t, frameworktest.DialAddress(t, "tcp", address), "GET /no HT")
	}
	require.Equal(t, http.StatusOK, ask(t, frameworktest.DialAddress(t, "tcp", address), "/healthz"))
	close(end)
	for _, conn := range slow {
		require.Equal(t, http.StatusOK, status(t, conn))
	}
}

// Where all have requests the next one waits for the end of one, which keeps its connection no longer.
func TestNextOneWaits(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			begun <- struct{}{}
			<-end
		}
	}, same, hclog.NewNullLogger())
	var slow []net.Conn
	for range maxConnections {
		conn := frameworktest.DialAddress(t, "tcp", address)
		frameworktest.Send(t, conn, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
		frameworktest.Await(t, begun)
		slow = append(slow, conn)
	}
	next := frameworktest.DialAddress(t, "tcp", address)
	frameworktest.Send(t, next, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	end <- struct{}{}
	require.Equal(t, http.StatusOK, status(t, next))
	close(end)
	ended := 0
	for _, conn := range slow {
		if status(t, conn) == http.StatusOK {
			ended++
		}
	}
	require.Equal(t, maxConnections, ended)
}

// A faulty listener has an error of the system before its connections.
type faulty struct {
	net.Listener
	errors chan error
}

func (f faulty) Accept() (net.Conn, error) {
	select {
	case err := <-f.errors:
		return nil, err
	default:
		return f.Listener.Accept()
	}
}

// No error of accept but that of a closed listener ends the server, and the log has each.
func TestErrorsOfAcceptPass(t *testing.T) {
	causes := []error{syscall.ENOMEM, syscall.ENOBUFS, syscall.EPERM, syscall.EMFILE, errors.New("another one")}
	broken := make(chan error, len(causes))
	for _, err := range causes {
		broken <- &net.OpError{Op: "accept", Net: "tcp", Err: err}
	}
	log := frameworktest.NewLog()
	address := serve(t, func(http.ResponseWriter, *http.Request) {}, func(l net.Listener) net.Listener { return faulty{l, broken} },
		hclog.New(&hclog.LoggerOptions{Output: log}))
	require.Equal(t, http.StatusOK, ask(t, frameworktest.DialAddress(t, "tcp", address), "/"))
	for _, err := range causes {
		require.Contains(t, log.String(), err.Error())
	}
}
