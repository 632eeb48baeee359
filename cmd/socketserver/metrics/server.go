package metrics

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/net/netutil"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/framework"
)

const (
	maxConnections = 64
	patience       = 5 * time.Second  // for a client to send its request, and to take the answer
	idle           = 90 * time.Second // between two scrapes
)

// Health answers 200 if every server of the configuration serves, and else 503 with those that do
// not.
func Health(status func() []supervisor.Status) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if not := supervisor.NotServing(status()); len(not) > 0 {
			http.Error(w, strings.Join(not, "; "), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
}

// A Server answers at TCP addresses. What it offers is read only.
type Server struct{ http *http.Server }

// Serve answers at the sockets until Close. The caller closes them after that.
func Serve(sockets []*supervisor.Socket, handlers map[string]http.Handler, log hclog.Logger) (*Server, error) {
	mux := http.NewServeMux()
	for path, h := range handlers {
		mux.Handle("GET "+path, h)
	}
	s := &Server{&http.Server{
		Handler: mux, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: idle, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),
	}}
	for _, socket := range sockets {
		l := listener{socket.Transport()}
		if err := l.Open(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
		log.Info("metrics", "address", l.Addr().String())
		go func() { _ = s.http.Serve(netutil.LimitListener(l, maxConnections)) }() // its end is Close's
	}
	return s, nil
}

// Close ends what is being answered.
func (s *Server) Close() error { return s.http.Close() }

// A listener is a transport as package http knows it.
type listener struct{ framework.Transport }

// Accept returns the next connection.
func (l listener) Accept() (net.Conn, error) {
	r, err := l.GetRequest()
	if err != nil {
		return nil, err
	}
	return r.Conn(), nil
}
