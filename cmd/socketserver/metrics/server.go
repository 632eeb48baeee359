package metrics

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/net/netutil"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
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
		var not []string
		for _, s := range status() {
			if s.State != supervisor.Serving && !s.Old {
				not = append(not, s.Name+" is "+string(s.State))
			}
		}
		if len(not) > 0 {
			http.Error(w, strings.Join(not, "; "), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
}

// A Server answers at TCP addresses. What it offers is read only.
type Server struct{ http *http.Server }

// Serve listens on every address that host:port means and answers until Close.
func Serve(address string, handlers map[string]http.Handler, log hclog.Logger) (*Server, error) {
	listeners, err := listen(address)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for path, h := range handlers {
		mux.Handle("GET "+path, h)
	}
	s := &Server{&http.Server{
		Handler: mux, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: idle, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}}
	for _, l := range listeners {
		log.Info("metrics", "address", l.Addr().String())
		go func() { _ = s.http.Serve(netutil.LimitListener(l, maxConnections)) }() // its end is Close's
	}
	return s, nil
}

// Close ends what is being answered.
func (s *Server) Close() error { return s.http.Close() }

// listen listens on both loopback addresses for localhost, of which this machine may have one.
func listen(address string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	hosts := []string{host}
	if host == "localhost" {
		hosts = []string{"127.0.0.1", "::1"}
	}
	var all []net.Listener
	var missing error
	for _, host := range hosts {
		switch l, err := net.Listen("tcp", net.JoinHostPort(host, port)); {
		case err == nil:
			_, port, _ = net.SplitHostPort(l.Addr().String()) // port 0: the same for both
			all = append(all, l)
		case len(hosts) > 1 && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)):
			missing = err // this machine has no addresses of the family
		default:
			for _, l := range all {
				_ = l.Close()
			}
			return nil, fmt.Errorf("%w; choose another metrics.address", err)
		}
	}
	if len(all) == 0 {
		return nil, missing
	}
	return all, nil
}
