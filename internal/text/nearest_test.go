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
		"threads": "threading", "threaded": "threading", "forked": "forking", "preforked": "preforking", "fork": "forking", "thread": "threading",
		"cpus": "cpu", "cpuload": "cpu", "wpu": "cpu", "int": "", "fortran": "",
	} {
		require.Equal(t, want, Nearest(name, names), "%q", name)
	}
	for name, want := range map[string]string{"boolean": "bool", "int": "", "str": "string", "lst": "list", "num": "number", "mpa": "map"} {
		require.Equal(t, want, Nearest(name, []string{"bool", "list", "map", "number", "path", "string"}), "%q", name)
	}
	require.Empty(t, Nearest("threading", nil))
}
