package distributed

import (
	"errors"

	"github.com/go-socketserver/socketserver/framework"
)

// A Strategy runs the requests of a server in workers of the cluster.
type Strategy struct {
	Front  *Front // nil: it is only checked
	Server string
	Build  string // what a worker has to be of
}

var _ framework.Strategy = (*Strategy)(nil)

// Place implements [framework.Strategy].
func (*Strategy) Place() framework.Place { return framework.InWorkers }

// Open implements [framework.Strategy].
func (s *Strategy) Open(*framework.BaseServer) error {
	if s.Front != nil {
		s.Front.use(1)
	}
	return nil
}

// Close implements [framework.Strategy].
func (s *Strategy) Close(*framework.BaseServer) {
	if s.Front != nil {
		s.Front.use(-1)
	}
}

// ProcessRequest has a worker serve r.
func (s *Strategy) ProcessRequest(server *framework.BaseServer, r *framework.Request) error {
	go server.FinishElsewhere(r, func() error { return s.serve(r) })
	return nil
}

func (s *Strategy) serve(r *framework.Request) error {
	t, release, err := s.Front.connect(r.Context(), &hello{
		Server: s.Server, Build: s.Build, Network: r.Network, Client: textOf(r.ClientAddress), Local: textOf(r.LocalAddress), TLS: r.TLS,
	})
	if errors.Is(err, framework.ErrWorkerGone) {
		reset(r)
	}
	if err != nil {
		return err
	}
	defer release()
	r.Started()
	in, out, err := splice(r, t.TLSConn, t.tcp)
	r.Moved(in, out)
	return err
}
