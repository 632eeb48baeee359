package admin_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/cmd/socketserver/admin"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var endpoints = []admin.Endpoint{
	{Pattern: "GET /v1/things/{name}", Do: func(r *http.Request) (any, error) {
		if name := r.PathValue("name"); name != "a" {
			return nil, &admin.Error{Status: http.StatusNotFound, Err: errors.New("there is no " + name)}
		}
		return map[string]int{"size": 1}, nil
	}},
	{Pattern: "POST /v1/echo", Do: func(r *http.Request) (any, error) {
		body, err := io.ReadAll(r.Body)
		if strings.Contains(string(body), "refuse") {
			return nil, errors.New("it is refused\nin two lines")
		}
		return string(body), err
	}},
}

func serve(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "admin.sock")
	socket, err := framework.OpenSocket("unix", path, admin.SocketOptions(nil))
	require.NoError(t, err)
	s, err := admin.Open(socket, nil, endpoints, hclog.NewNullLogger())
	require.NoError(t, err)
	s.Serve()
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, socket.Close())
		require.NoFileExists(t, path)
	})
	return path
}

func TestAnswers(t *testing.T) {
	path := serve(t)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	var thing struct{ Size int }
	require.NoError(t, admin.Do(t.Context(), path, http.MethodGet, "/v1/things/a", nil, &thing))
	require.Equal(t, 1, thing.Size)
	var echo string
	require.NoError(t, admin.Do(t.Context(), path, http.MethodPost, "/v1/echo", "hello", &echo))
	require.Equal(t, `"hello"`, echo)
	require.EqualError(t, admin.Do(t.Context(), path, http.MethodGet, "/v1/things/b", nil, nil), "there is no b")
	require.EqualError(t, admin.Do(t.Context(), path, http.MethodPost, "/v1/echo", "refuse", nil), "it is refused\nin two lines")
	require.ErrorContains(t, admin.Do(t.Context(), path, http.MethodGet, "/v2", nil, nil), "does not know GET /v2")
	require.ErrorContains(t, admin.Do(t.Context(), path+"x", http.MethodGet, "/v1", nil, nil), "no socketserver answers at "+path+"x; start one, or name its socket with --admin")
	require.ErrorContains(t, admin.Do(t.Context(), path, http.MethodPost, "/v1/echo", strings.Repeat("x", 1<<20), nil), "too large")
}

// A server that retires finishes its answer and leaves new clients to another one.
func TestRetire(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	socket, err := framework.OpenSocket("unix", path, admin.SocketOptions(nil))
	require.NoError(t, err)
	asked, answer := make(chan struct{}), make(chan struct{})
	old, err := admin.Open(socket, nil, []admin.Endpoint{{Pattern: "GET /v1/which", Do: func(*http.Request) (any, error) {
		close(asked)
		<-answer
		return "old", nil
	}}}, hclog.NewNullLogger())
	require.NoError(t, err)
	old.Serve()
	ended := make(chan string)
	go func() {
		var which string
		_ = admin.Do(t.Context(), path, http.MethodGet, "/v1/which", nil, &which)
		ended <- which
	}()
	frameworktest.Await(t, asked)
	old.Retire()
	next, err := admin.Open(socket, nil, []admin.Endpoint{{Pattern: "GET /v1/which", Do: func(*http.Request) (any, error) { return "new", nil }}}, hclog.NewNullLogger())
	require.NoError(t, err)
	next.Serve()
	var which string
	require.NoError(t, admin.Do(t.Context(), path, http.MethodGet, "/v1/which", nil, &which))
	require.Equal(t, "new", which)
	close(answer)
	require.NoError(t, old.Close())
	require.Equal(t, "old", <-ended)
	require.NoError(t, next.Close())
	require.NoError(t, socket.Close())
}

// Silent clients are let go, so that the next one is answered, and take nothing from others.
func TestSilentClients(t *testing.T) {
	path := serve(t)
	const most = 16
	var silent []net.Conn
	for range most + 1 {
		silent = append(silent, frameworktest.DialAddress(t, "unix", path))
	}
	require.NoError(t, admin.Do(t.Context(), path, http.MethodGet, "/v1/things/a", nil, nil))
	for _, conn := range silent {
		_, err := io.Copy(io.Discard, conn)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
}

// A client that does not read its answer holds up nobody.
func TestClientThatDoesNotRead(t *testing.T) {
	path := serve(t)
	deaf := frameworktest.DialAddress(t, "unix", path)
	for range 100 {
		frameworktest.Send(t, deaf, "GET /v1/things/a HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	require.NoError(t, admin.Do(t.Context(), path, http.MethodGet, "/v1/things/a", nil, nil))
	response, err := http.ReadResponse(bufio.NewReader(deaf), nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// Commands that wait leave the socket to others, as many as there are; further ones get an error.
func TestWaitingCommandsLeaveTheSocketToOthers(t *testing.T) {
	const slots, places = 16, 64
	path := filepath.Join(t.TempDir(), "admin.sock")
	socket, err := framework.OpenSocket("unix", path, admin.SocketOptions(nil))
	require.NoError(t, err)
	begun, end := make(chan struct{}), make(chan struct{})
	s, err := admin.Open(socket, nil, append([]admin.Endpoint{{Pattern: "POST /v1/wait", Waits: true, Do: func(*http.Request) (any, error) {
		begun <- struct{}{}
		<-end
		return "over", nil
	}}}, endpoints...), hclog.NewNullLogger())
	require.NoError(t, err)
	s.Serve()
	var waiting sync.WaitGroup
	for range places {
		waiting.Go(func() {
			var answer string
			assert.NoError(t, admin.Do(t.Context(), path, http.MethodPost, "/v1/wait", nil, &answer))
			assert.Equal(t, "over", answer)
		})
		frameworktest.Await(t, begun)
	}
	require.EqualError(t, admin.Do(t.Context(), path, http.MethodPost, "/v1/wait", nil, nil), "64 commands wait already")
	for range slots + 1 {
		require.NoError(t, admin.Do(t.Context(), path, http.MethodGet, "/v1/things/a", nil, nil))
	}
	close(end)
	waiting.Wait()
	require.NoError(t, s.Close())
	require.NoError(t, socket.Close())
}
