package result

import (
	"fmt"
	"math"
)

// Verdicts of a comparison.
const (
	More  = "more"
	Less  = "less"
	Equal = "equal"
)

const (
	// confidence is the level of every interval.
	confidence = 0.95

	// margin is the difference that makes a verdict. Two runs of one program on one shared machine
	// differ by as much as a tenth.
	margin = 0.10

	// LeastRounds is the number of rounds that an interval needs: two have no reliable spread.
	LeastRounds = 3
)

// ratioOf compares round i of one subject with round i of the other, so that a slow moment of the
// machine is in both. Ratios are symmetrical and nearly normal as logarithms; the interval is
// Student's over these. There is no ratio with fewer than LeastRounds, nor if a round has the value
// 0, as leaving it out would flatter. A round with an unknown value, less than 0, is left out.
func ratioOf(subject, base []float64) (Ratio, bool) {
	var logs []float64
	for i := range min(len(subject), len(base)) {
		if subject[i] < 0 || base[i] < 0 {
			continue
		}
		if subject[i] == 0 || base[i] == 0 {
			return Ratio{}, false
		}
		logs = append(logs, math.Log(subject[i]/base[i]))
	}
	n := len(logs)
	if n < LeastRounds {
		return Ratio{}, false
	}
	mean, deviation := spread(logs)
	half := student(n-1) * deviation / math.Sqrt(float64(n))
	return Ratio{math.Exp(mean), math.Exp(mean - half), math.Exp(mean + half), confidence}, true
}

// spread returns the mean and the standard deviation of a sample.
func spread(values []float64) (mean, deviation float64) {
	n := float64(len(values))
	for _, v := range values {
		mean += v / n
	}
	var squares float64
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(squares / (n - 1))
}

// String returns a factor and how far its interval reaches, as in 0.84x ±8 %.
func (q Ratio) String() string {
	return fmt.Sprintf("%sx ±%.0f %%", count.format(q.Value), 100*(q.High/q.Value-1))
}

// verdict is more or less only if the whole interval is beyond the margin.
func (q Ratio) verdict() string {
	switch {
	case q.Low > 1+margin:
		return More
	case q.High < 1/(1+margin):
		return Less
	}
	return Equal
}

// undecided reports whether the interval is so wide that equal means nothing.
func (q Ratio) undecided() bool {
	const wide = 1.5
	return q.verdict() == Equal && q.High > wide*q.Low
}

// quantiles are those of Student's distribution at 0.975, which is 95 % on two sides, for 1
// to 30 degrees of freedom: Abramowitz and Stegun, table 26.10.
var quantiles = [...]float64{
	12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
	2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
	2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
}

// student returns the quantile at 0.975. Beyond the table it is the first terms of
// Abramowitz and Stegun, 26.7.5.
func student(freedom int) float64 {
	if freedom <= len(quantiles) {
		return quantiles[freedom-1]
	}
	const z = 1.959964 // of the normal distribution
	return z + (z*z*z+z)/(4*float64(freedom))
}
