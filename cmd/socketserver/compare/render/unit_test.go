package render

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

func TestUnknownIsShown(t *testing.T) {
	require.Equal(t, []string{"-", "-", "-", "-"}, []string{rate(-1), duration(-1), size(-1), count(-1)})
	require.Equal(t, []string{"0/s", "0 ns", "0 B", "0"}, []string{rate(0), duration(0), size(0), count(0)})
}

func TestPercentile(t *testing.T) {
	require.Equal(t, "-", percentile(result.Percentile{Over: true}))
	require.Equal(t, ">3.15 ms", percentile(result.Percentile{Value: 3149 * time.Microsecond, Over: true}))
	require.Equal(t, "3.15 ms", percentile(result.Percentile{Value: 3149 * time.Microsecond}))
}

func TestRatio(t *testing.T) {
	require.Equal(t, "0.022x (0.020-0.023)", ratio(result.Ratio{Value: 0.0217, Low: 0.0204, High: 0.0231}))
	require.Equal(t, "1.03x (0.97-1.10)", ratio(result.Ratio{Value: 1.03, Low: 0.97, High: 1.1}))
	require.Equal(t, "56.4x", ratio(result.Ratio{Value: 56.36}))
	require.Equal(t, "120x", ratio(result.Ratio{Value: 120.2}))
}
