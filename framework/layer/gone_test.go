package layer_test

import (
	"crypto/tls"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer"
)

// whenGone returns a channel that is closed when nothing has l any more.
func whenGone(l *layer.TLS) <-chan struct{} {
	gone := make(chan struct{})
	runtime.AddCleanup(l, func(gone chan struct{}) { close(gone) }, gone)
	return gone
}

func awaitGone(t *testing.T, gone <-chan struct{}) {
	t.Helper()
	for late := time.After(frameworktest.Patience); ; {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-late:
			t.Fatal("the layer is kept")
		case <-time.After(time.Millisecond):
		}
	}
}

// A server that has ended takes its keys with it, though they were to be renewed within a day.
func TestLayerGone(t *testing.T) {
	l, err := layer.NewTLS(layer.TLSFiles{Pairs: []layer.Pair{layer.Pair(frameworktest.NewAuthority(t).Issue(t, "localhost"))}})
	require.NoError(t, err)
	l.Describe()
	gone := whenGone(l)
	runtime.KeepAlive(l)
	awaitGone(t, gone)
}

// So does one whose plugin goes on, as soon as that serves a client of another server.
func TestLayerOfAPluginGone(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("plugins need Linux")
	}
	class := plug(t, framework.Timeouts{})
	served := func(t *testing.T) *server {
		return serve(t, &framework.Threading{}, frameworktest.NewAuthority(t), layer.TLSFiles{}, func(s *framework.BaseServer) { s.Class = class })
	}
	second := served(t)
	var gone <-chan struct{}
	t.Run("first", func(t *testing.T) {
		first := served(t)
		gone = whenGone(first.layer)
		require.Equal(t, "hello\n", frameworktest.Ask(t, first.mustDial(t, &tls.Config{}), "hello\n"))
	})
	require.Equal(t, "hello\n", frameworktest.Ask(t, second.mustDial(t, &tls.Config{}), "hello\n"))
	awaitGone(t, gone)
}
