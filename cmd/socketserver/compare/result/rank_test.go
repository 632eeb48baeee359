package result

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func places(results ...Measured) [][]string {
	return rank(&Report{}, &Load{Kind: Connections, Results: results}).Places
}

func TestPlaces(t *testing.T) {
	require.Equal(t, [][]string{{"c"}, {"a", "b"}},
		places(subject("a", 100, even), subject("b", 102, even), subject("c", 200, even)), "equal ones stand in turn")
	require.Equal(t, [][]string{{"a", "b"}, {"c"}},
		places(subject("a", 109, even), subject("b", 100, even), subject("c", 92, even)), "a chain: c has somebody above")
	require.Equal(t, [][]string{{"a"}}, places(subject("a", 100, even)))
}

// A subject with a wide interval shares the best place that it cannot be told apart from. The order
// of the others does not change.
func TestVariedTooMuch(t *testing.T) {
	require.Equal(t, [][]string{{"a", "b"}, {"c"}},
		places(subject("a", 300, even), subject("b", 290, uneven), subject("c", 200, even)))
	require.Equal(t, [][]string{{"threading", "b"}, {"c"}},
		places(subject("threading", 300, uneven), subject("b", 250, even), subject("c", 100, even)))
	require.Equal(t, [][]string{{"a"}, {"b"}},
		places(subject("a", 3000, uneven), subject("b", 100, even)), "far enough to be told")
}

func TestNoPlace(t *testing.T) {
	died := subject("died", 500, even)
	died.Problem = "it ended: exit status 2"
	silent := subject("silent", 500, even)
	silent.Rounds[3].Rate = 0
	failing, coping := subject("failing", 500, even), subject("coping", 50, even)
	failing.Errors, coping.Errors = map[string]int64{"reset": 26}, map[string]int64{"reset": 2}
	require.Equal(t, [][]string{{"a"}, {"b"}, {"coping"}},
		places(subject("b", 100, even), died, silent, failing, coping, subject("a", 200, even), Measured{Subject: "none"}))
	require.Equal(t, [][]string{}, places(subject("a", 100, even[:2]), subject("b", 900, even[:2])), "two rounds tell no order")
}

// TestPlacesAgree draws the rounds of nine subjects twice, as two runs do.
func TestPlacesAgree(t *testing.T) {
	rates := []float64{12000, 11800, 12500, 9000, 8800, 4000, 3300, 300, 290}
	r := rand.New(rand.NewPCG(3, 4))
	strict, contradictions, wrong := 0, 0, 0
	for range 300 {
		deviation := 0.02 + 0.3*r.Float64()
		first, second := orderOf(r, rates, deviation), orderOf(r, rates, deviation)
		for a := range rates {
			for b := range rates {
				if !before(first, a, b) {
					continue
				}
				strict++
				if before(second, b, a) {
					contradictions++
				}
				if rates[a] < rates[b] {
					wrong++
				}
			}
		}
	}
	require.Greater(t, strict, 3000, "an order is found where there is one")
	require.LessOrEqual(t, float64(wrong), (1-confidence)/2*float64(strict))
	require.LessOrEqual(t, float64(contradictions), 0.01*float64(strict), "of neighbours that others were told from")
}

// before reports whether both have places, a before b.
func before(order map[int]int, a, b int) bool {
	first, ok := order[a]
	second, too := order[b]
	return ok && too && first < second
}

// orderOf returns the place of each that has one.
func orderOf(r *rand.Rand, rates []float64, deviation float64) map[int]int {
	var results []Measured
	for i, rate := range rates {
		results = append(results, drawn(r, fmt.Sprint(i), rate, deviation, 5))
	}
	order := map[int]int{}
	for place, names := range places(results...) {
		for _, name := range names {
			var i int
			fmt.Sscan(name, &i)
			order[i] = place
		}
	}
	return order
}
