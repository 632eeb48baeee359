package render

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

func TestRate(t *testing.T) {
	for v, want := range map[float64]string{
		-1: "-", math.NaN(): "-", 0: "0/s", 2.25: "2.2/s", 284: "284/s", 283.6: "284/s", 999.4: "999/s",
		999.9: "1.0 k/s", 1000: "1 k/s", 12874: "12.9 k/s", 70140: "70.1 k/s", 860000: "860 k/s",
		1.2e6: "1.2 M/s",
	} {
		require.Equal(t, want, rate(v), v)
	}
}

func TestDuration(t *testing.T) {
	for v, want := range map[time.Duration]string{
		-1: "-", 0: "0 ns", 850: "850 ns", 210 * time.Microsecond: "210 us", 3149 * time.Microsecond: "3.1 ms",
		999_700 * time.Nanosecond: "1.0 ms", 141 * time.Millisecond: "141 ms", 2 * time.Second: "2 s",
		90 * time.Second: "90 s",
	} {
		require.Equal(t, want, duration(v))
	}
	require.Equal(t, "-", percentile(result.Percentile{Over: true}))
	require.Equal(t, ">3.1 ms", percentile(result.Percentile{Value: 3149 * time.Microsecond, Over: true}))
	require.Equal(t, "3.1 ms", percentile(result.Percentile{Value: 3149 * time.Microsecond}))
}

func TestSize(t *testing.T) {
	for v, want := range map[int64]string{
		-1: "-", 0: "0 B", 512: "512 B", 2048: "2 KiB", 7_969_178: "7.6 MiB", 1023 << 20: "1.0 GiB",
		5 << 40: "5 TiB",
	} {
		require.Equal(t, want, size(v))
	}
}

func TestRatio(t *testing.T) {
	require.Equal(t, "0.022x (0.020-0.023)", ratio(result.Ratio{Value: 0.0217, Low: 0.0204, High: 0.0231}))
	require.Equal(t, "1.03x (0.97-1.10)", ratio(result.Ratio{Value: 1.03, Low: 0.97, High: 1.1}))
	require.Equal(t, "56.4x", ratio(result.Ratio{Value: 56.36}))
	require.Equal(t, "120x", ratio(result.Ratio{Value: 120.2}))
}
