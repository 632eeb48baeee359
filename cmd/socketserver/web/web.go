// Package web answers HTTP on sockets that are kept as those of servers are.
package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

const (
	maxConnections = 64               // of a listener
	patience       = 5 * time.Second  // for a client to send its request, and to take the answer
	idle           = 90 * time.Second // between two requests
)

// A Server answers at TCP addresses. A handler that takes longer than 5 s changes the deadlines.
type Server struct {
	http *http.Server
	end  context.CancelFunc
}

// New returns a server that answers nowhere yet.
func New(handler http.Handler, log hclog.Logger) *Server {
	ctx, end := context.WithCancel(context.Background())
	return &Server{&http.Server{
		BaseContext: func(net.Listener) context.Context { return ctx },
		Handler:     handler, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: idle, MaxHeaderBytes: 16 << 10,
		ConnState: changed,
		ErrorLog:  log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),
	}, end}
}

// Serve answers at the sockets until Close. The caller closes them after that. It returns the real
// addresses.
func (s *Server) Serve(sockets []*supervisor.Socket) (at []net.Addr, err error) {
	for _, socket := range sockets {
		l := transport{socket.Transport()}
		if err := l.Open(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
		at = append(at, l.Addr())
		s.Listen(l)
	}
	return at, nil
}

// Listen answers at a listener until Close, which closes it.
func (s *Server) Listen(l net.Listener) {
	go func() { _ = s.http.Serve(limit(l)) }() // its end is Close's
}

// Close ends what is being answered, also where a handler has taken over the connection and heeds the
// context of its request.
func (s *Server) Close() error {
	s.end()
	return s.http.Close()
}
