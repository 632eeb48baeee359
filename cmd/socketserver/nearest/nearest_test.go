package nearest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTo(t *testing.T) {
	names := []string{"threading", "forking", "preforking", "p50", "cpu"}
	for name, want := range map[string]string{
		"threding": "threading", "THREADING": "threading", "thr": "threading", "th": "", "forkink": "forking",
		"fibers": "", "p5": "p50", "p9": "p50", "": "", "q": "", "cpo": "cpu", "prefork": "preforking",
	} {
		require.Equal(t, want, To(name, names), "%q", name)
	}
	require.Empty(t, To("threading", nil))
}
