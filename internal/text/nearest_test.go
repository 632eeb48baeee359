package text

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearest(t *testing.T) {
	names := []string{"threading", "forking", "preforking", "p50", "cpu"}
	for name, want := range map[string]string{
		"threding": "threading", "THREADING": "threading", "thr": "threading", "th": "", "forkink": "forking",
		"fibers": "", "p5": "p50", "p9": "p50", "": "", "q": "", "cpo": "cpu", "prefork": "preforking",
	} {
		require.Equal(t, want, Nearest(name, names), "%q", name)
	}
	require.Empty(t, Nearest("threading", nil))
}
