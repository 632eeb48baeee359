package distributed

import (
	"crypto/rand"
	"errors"

	"github.com/go-socketserver/socketserver/framework"
)

// A Strategy runs the requests of a server in workers of the cluster.
type Strategy struct {
	Front  *Front // nil: it is only checked
	Server string
	Build  string // what a worker has to be of
	Bus    bool   // by NATS, a datagram or a line at a time, in place of connections to workers
}

var _ framework.Strategy = (*Strategy)(nil)

// Place implements [framework.Strategy].
func (*Strategy) Place() framework.Place { return framework.InWorkers }

// Open implements [framework.Strategy].
func (s *Strategy) Open(*framework.BaseServer) error {
	if s.Front != nil {
		s.Front.use(s.Server, 1)
	}
	return nil
}

// Close implements [framework.Strategy].
func (s *Strategy) Close(*framework.BaseServer) {
	if s.Front != nil {
		s.Front.use(s.Server, -1)
	}
}

// ProcessRequest has a worker serve r.
func (s *Strategy) ProcessRequest(server *framework.BaseServer, r *framework.Request) error {
	if s.Bus {
		go server.FinishWith(r, &message{strategy: s})
		return nil
	}
	go server.FinishElsewhere(r, func(client framework.Client) error { return s.serve(r, client) })
	return nil
}

// hello describes the client of r.
func (s *Strategy) hello(r *framework.Request) *hello {
	return &hello{
		ID: rand.Text(), Server: s.Server, Build: s.Build, Network: r.Network, Client: framework.AddressText(r.ClientAddress), Local: framework.AddressText(r.LocalAddress), TLS: r.TLS, Datagram: r.IsDatagram(),
	}
}

func (s *Strategy) serve(r *framework.Request, client framework.Client) error {
	t, release, err := s.Front.connect(r.Context(), s.hello(r))
	if errors.Is(err, framework.ErrWorkerGone) {
		reset(r)
	}
	if err != nil {
		return err
	}
	defer release()
	return t.splice(r, client)
}
