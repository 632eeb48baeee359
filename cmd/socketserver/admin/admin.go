// Package admin reports status and takes commands while the daemon runs: HTTP and JSON over a Unix
// socket that only root, the daemon's user and those whom the configuration allows may use.
//
// A table of [Endpoint]s is all that there is to it; [Client] is the other end.
package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework"
)

const (
	maxConnections = 16
	maxWaiting     = 64              // further connections with commands that wait
	maxBody        = 64 << 10        // bytes of a request
	patience       = 5 * time.Second // for a client to send its request, and to take the answer
)

// An Endpoint is one thing that a daemon can be asked or told.
type Endpoint struct {
	Pattern string // method and path, as of [http.ServeMux]: "POST /v1/reload"
	// Do returns the answer, of which the client gets the JSON. The body of r has been read. An
	// error is a conflict, unless it is an [Error]. The client may leave before Do returns.
	Do func(r *http.Request) (any, error)
	// Handler is what answers in place of Do, not in JSON. Nothing bounds the time that it takes.
	Handler http.Handler
	// Waits says that the answer may take as long as requests and processes do. The connection leaves its
	// place to others then.
	Waits bool
}

// An Error is one with a status of its own.
type Error struct {
	Status int
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// refusal is the JSON of an error.
type refusal struct {
	Error string `json:"error"`
}

// A Server answers on one socket.
type Server struct {
	http     *http.Server
	listener *listener
	retiring sync.WaitGroup
}

// SocketOptions returns those of the socket. Where others than this user are allowed the peers of
// connections decide.
func SocketOptions(allow []string) framework.SocketOptions {
	if len(allow) > 0 {
		return framework.SocketOptions{Mode: 0o666}
	}
	return framework.SocketOptions{Mode: 0o600}
}

// Open returns a server for a Unix socket, where Serve answers until Close. The caller closes the socket after that.
func Open(socket *framework.Socket, allow []string, endpoints []Endpoint, log hclog.Logger) (*Server, error) {
	l, err := listen(socket, allow)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, e := range endpoints {
		mux.HandleFunc(e.Pattern, func(w http.ResponseWriter, r *http.Request) {
			if e.Waits {
				if !connectionOf(r.Context()).wait() {
					answer(w, nil, &Error{http.StatusServiceUnavailable, fmt.Errorf("%d commands wait already", maxWaiting)})
					return
				}
				w.Header().Set("Connection", "close") // as others have its place
			}
			if e.Handler != nil {
				_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // it would cancel r
				e.Handler.ServeHTTP(w, r)
				return
			}
			serve(w, r, e, log)
		})
	}
	s := &Server{listener: l, http: &http.Server{
		Handler:        permit(allow, mux),
		ReadTimeout:    patience,
		IdleTimeout:    patience,
		MaxHeaderBytes: maxBody,
		ErrorLog:       log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),
		ConnContext:    withConnection,
	}}
	return s, nil
}

// Serve answers from now on.
func (s *Server) Serve() {
	go func() { _ = s.http.Serve(s.listener) }() // its end is Close's
}

// Retire stops accepting, as another process does from now on, and lets what is being answered
// end. Close waits for that.
func (s *Server) Retire() {
	_ = s.listener.Close()
	s.retiring.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = s.http.Shutdown(ctx)
	})
}

// Close ends what is being answered.
func (s *Server) Close() error {
	s.retiring.Wait()
	defer s.listener.spend()
	return s.http.Close()
}

// serve answers a request.
func serve(w http.ResponseWriter, r *http.Request, e Endpoint, log hclog.Logger) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		answer(w, nil, &Error{http.StatusRequestEntityTooLarge, fmt.Errorf("read the request: %w", err)})
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // Do may take longer
	if r.Method != http.MethodGet {
		p := peerOf(r.Context())
		log.Info("admin request", "request", r.Method+" "+r.URL.Path, "uid", p.uid, "pid", p.pid)
	}
	result, err := e.Do(r)
	answer(w, result, err)
}

func answer(w http.ResponseWriter, result any, err error) {
	status := http.StatusOK
	if err != nil {
		status, result = http.StatusConflict, refusal{err.Error()}
		if own := (*Error)(nil); errors.As(err, &own) {
			status = own.Status
		}
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(result)
	_ = http.NewResponseController(w).Flush() // before the request is over, which may end this process
}

type connectionKey struct{}

func withConnection(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

func connectionOf(ctx context.Context) *connection { return ctx.Value(connectionKey{}).(*connection) }

func peerOf(ctx context.Context) peer { return connectionOf(ctx).peer }

// IsOwner reports whether the client of a request to an [Endpoint] is root or the user of this process,
// rather than one whom the configuration allows to operate its servers.
func IsOwner(r *http.Request) bool { return peerOf(r.Context()).owns() }

// permit refuses clients that are not allowed.
func permit(allow []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := peerOf(r.Context()); !p.permitted(allow) {
			answer(w, nil, &Error{http.StatusForbidden, fmt.Errorf("user %d may not use this socket; add it to admin.allow", p.uid)})
			return
		}
		next.ServeHTTP(w, r)
	})
}
