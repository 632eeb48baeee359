package result

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStudent integrates the density of the distribution up to the quantile.
func TestStudent(t *testing.T) {
	for _, freedom := range []int{1, 2, 3, 4, 7, 15, 30, 31, 60, 1000} {
		n := float64(freedom)
		above, _ := math.Lgamma((n + 1) / 2)
		below, _ := math.Lgamma(n / 2)
		scale := math.Exp(above-below) / math.Sqrt(n*math.Pi)
		density := func(x float64) float64 { return scale * math.Pow(1+x*x/n, -(n+1)/2) }

		const steps = 20000
		width := student(freedom) / steps
		area := 0.5
		for i := range steps {
			area += width * density((float64(i)+0.5)*width)
		}
		require.InDelta(t, 0.975, area, 0.0003, "%d degrees of freedom", freedom)
	}
}

func TestRatio(t *testing.T) {
	q, ok := ratioOf([]float64{2, 4, 8}, []float64{1, 1, 1})
	require.True(t, ok)
	half := 4.303 * math.Ln2 / math.Sqrt(3)
	require.InDelta(t, 4, q.Value, 1e-9)
	require.InDelta(t, 4*math.Exp(-half), q.Low, 1e-9)
	require.InDelta(t, 4*math.Exp(half), q.High, 1e-9)

	inverse, ok := ratioOf([]float64{1, 1, 1}, []float64{2, 4, 8})
	require.True(t, ok)
	require.InDelta(t, 1/q.High, inverse.Low, 1e-9, "the same seen from the other side")
}

func TestRatioPairsRounds(t *testing.T) {
	slowing := []float64{1000, 500, 100, 20}
	half := []float64{500, 250, 50, 10}
	q, ok := ratioOf(half, slowing)
	require.True(t, ok)
	require.InDelta(t, 0.5, q.High, 1e-9, "what slows the machine down is in both")
	require.Equal(t, Less, q.verdict())
}

func TestNoRatio(t *testing.T) {
	for name, values := range map[string][]float64{
		"two rounds": {1, 2}, "a round without an answer": {1, 0, 2}, "a round that is not known": {1, -1, 2}, "none": nil,
	} {
		_, ok := ratioOf(values, []float64{1, 1, 1})
		require.False(t, ok, name)
		_, ok = ratioOf([]float64{1, 1, 1}, values)
		require.False(t, ok, name)
	}
}

func TestRatioOfKnownRounds(t *testing.T) {
	q, ok := ratioOf([]float64{2, -1, 2, 2, 7}, []float64{1, 9, 1, 1, -1})
	require.True(t, ok)
	require.InDelta(t, 2, q.High, 1e-9)
	_, ok = ratioOf([]float64{2, -1, 2, 2, 0}, []float64{1, 9, 1, 1, 1})
	require.False(t, ok, "a round without an answer")
}

func TestVerdict(t *testing.T) {
	for want, q := range map[string]Ratio{
		More:  {Value: 1.3, Low: 1.11, High: 1.5},
		Less:  {Value: 0.8, Low: 0.7, High: 0.9},
		Equal: {Value: 1.2, Low: 1.09, High: 1.32},
	} {
		require.Equal(t, want, q.verdict())
	}
	require.Equal(t, Equal, Ratio{Value: 1.05, Low: 1.04, High: 1.06}.verdict(), "certain, and too little to choose by")
	require.Equal(t, Equal, Ratio{Value: 0.95, Low: 0.94, High: 0.96}.verdict())
	require.True(t, Ratio{Value: 1.1, Low: 0.8, High: 1.5}.undecided())
	require.False(t, Ratio{Value: 1.05, Low: 0.9, High: 1.2}.undecided())
	require.False(t, Ratio{Value: 3, Low: 1.5, High: 6}.undecided(), "a verdict")
}

// TestConfidence counts how often the interval holds the true ratio.
func TestConfidence(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, rounds := range []int{3, 5, 10} {
		const draws = 4000
		held := 0
		for range draws {
			a, b := drawn(r, "a", 200, 0.2, rounds), drawn(r, "b", 100, 0.2, rounds)
			q, ok := metricNamed("rate").compare(&a, &b)
			require.True(t, ok)
			if q.Low <= 2 && 2 <= q.High {
				held++
			}
		}
		require.InDelta(t, confidence, float64(held)/draws, 0.015, "%d rounds", rounds)
	}
}
