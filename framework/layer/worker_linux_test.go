package layer_test

import (
	"crypto/tls"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer"
)

// A damaged layer is described wrongly once, when changed is closed.
type damaged struct {
	*layer.TLS
	changed chan struct{}
	later   chan struct{} // what has changed then is not closed
	told    atomic.Bool
}

func (d *damaged) Describe() ([]byte, <-chan struct{}) {
	text, _ := d.TLS.Describe()
	select {
	case <-d.changed:
	default:
		return text, d.changed
	}
	if d.told.CompareAndSwap(false, true) {
		return []byte("nonsense"), d.later
	}
	return text, d.later
}

// A worker that cannot have a new layer does not go on with the old one: another worker takes its place.
func TestWorkerWithoutItsLayerIsReplaced(t *testing.T) {
	own := &damaged{changed: make(chan struct{}), later: make(chan struct{})}
	s := serve(t, &framework.Preforking{Workers: 1}, frameworktest.NewAuthority(t), layer.TLSFiles{}, func(s *framework.BaseServer) {
		own.TLS = s.Layers[0].(*layer.TLS)
		s.Layers[0] = own
	})
	process := func() int {
		conn := s.mustDial(t, &tls.Config{})
		pid, err := strconv.Atoi(strings.TrimSpace(frameworktest.Ask(t, conn, "process\n")))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		return pid
	}
	before := process()
	close(own.changed)
	frameworktest.AwaitEnd(t, before)
	require.NotEqual(t, before, process())
}
