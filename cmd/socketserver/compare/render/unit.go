package render

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// unknown is shown for an unknown value.
const unknown = "-"

func rate(v float64) string {
	if v < 0 {
		return unknown
	}
	return result.FormatRate(v)
}

func duration(d time.Duration) string {
	if d < 0 {
		return unknown
	}
	return result.FormatDuration(d)
}

func size(n int64) string {
	if n < 0 {
		return unknown
	}
	return result.FormatSize(n)
}

// percentile formats as in 3.1 ms, or >3.1 ms for a lower bound.
func percentile(p result.Percentile) string {
	switch {
	case p.Value == 0:
		return unknown
	case p.Over:
		return ">" + duration(p.Value)
	}
	return duration(p.Value)
}

// count formats a number of things.
func count[N int | int64](n N) string {
	if n < 0 {
		return unknown
	}
	return strconv.FormatInt(int64(n), 10)
}

// each formats a number of things per request.
func each(v float64) string {
	if v < 0 || math.IsNaN(v) {
		return unknown
	}
	return digits(v)
}

// factor formats as in 1.03x or 0.022x.
func factor(v float64) string { return significant(v) + "x" }

// ratio formats a factor with its interval, if it has one, as in 1.03x (0.97-1.10).
func ratio(r result.Ratio) string {
	if r.Low == 0 && r.High == 0 {
		return factor(r.Value)
	}
	return fmt.Sprintf("%s (%s-%s)", factor(r.Value), significant(r.Low), significant(r.High))
}

// percent formats a part of one.
func percent(v float64) string { return strconv.FormatFloat(100*v, 'f', -1, 64) + " %" }

// digits formats with three digits, or with up to two and one decimal.
func digits(v float64) string {
	if v < 99.95 && v != math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// significant formats with at least two significant digits.
func significant(v float64) string {
	switch {
	case v >= 99.5:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 9.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 0.0995 || v <= 0:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

var unitBehind = regexp.MustCompile(`(\d) ([kM]/s|[num]?s|[KMGT]?i?B|%)(\W|$)`)

// tied returns s with no-break spaces between numbers and their units.
func tied(s string) string { return unitBehind.ReplaceAllString(s, "$1\u00a0$2$3") }
