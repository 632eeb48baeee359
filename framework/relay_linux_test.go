package framework_test

import (
	"context"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// passing is a layer that changes nothing.
type passing struct{}

func (passing) Wrap(_ context.Context, c net.Conn) (net.Conn, error) { return passed{c}, nil }

type passed struct{ net.Conn }

// Of a relay the server has counted the bytes itself.
func TestTraceOfAKilledProcessBehindARelay(t *testing.T) {
	for _, strategy := range []framework.Strategy{&framework.Forking{}, &framework.Preforking{Workers: 1}} {
		r := newTracer()
		s := newServer["tcp"](t, class(t, act))
		s.Strategy, s.Trace, s.Layers = strategy, &r.Trace, []framework.Layer{passing{}}
		frameworktest.Serve(t, s)
		conn := frameworktest.Dial(t, s)
		frameworktest.Send(t, conn, "hold\n")
		frameworktest.Expect(t, conn, "holding\n")
		require.NoError(t, syscall.Kill(s.Strategy.(interface{ ActiveChildren() []int }).ActiveChildren()[0], syscall.SIGKILL))
		o := frameworktest.Await(t, r.ended)
		require.ErrorIs(t, o.Err, framework.ErrWorkerGone)
		require.Equal(t, []int64{5, 8}, []int64{o.In, o.Out})
	}
}
