package result

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A unit formats and parses values, which are float64 of its smallest part.
type unit struct {
	name    string
	example string
	parts   []part             // ascending
	words   map[string]float64 // values that are words
}

type part struct {
	suffix string
	factor float64
}

var (
	perSecond   = &unit{name: "a rate", example: "2.5k/s", parts: []part{{"/s", 1}, {"k/s", 1e3}, {"M/s", 1e6}}}
	nanoseconds = &unit{name: "a time", example: "5ms", parts: []part{{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}}}
	size        = &unit{name: "a size", example: "40MiB", parts: []part{{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}}}
	count       = &unit{name: "a number", example: "10", parts: []part{{"", 1}}}
	yesNo       = &unit{name: "yes or no", example: "yes", words: map[string]float64{"yes": 1, "no": 0}}
)

// format returns a value with three digits, for parse to read. Counts have all digits.
func (u *unit) format(v float64) string {
	if u == count && v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	i := 0
	for i < len(u.parts)-1 && threeDigits(v/u.parts[i].factor) >= 1000 {
		i++
	}
	suffix := u.parts[i].suffix
	if suffix != "" && suffix[0] != '/' {
		suffix = " " + suffix
	}
	return strconv.FormatFloat(threeDigits(v/u.parts[i].factor), 'f', -1, 64) + suffix
}

// threeDigits rounds to three significant digits, and a value from 100 up to a whole number.
func threeDigits(v float64) float64 {
	if math.Abs(v) >= 100 {
		return math.Round(v)
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	return rounded
}

var quantity = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(.*)$`)

// parse parses a number and its unit. Zero needs no unit.
func (u *unit) parse(text string) (float64, error) {
	if v, ok := u.words[text]; ok {
		return v, nil
	}
	parts := quantity.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("%q is not %s; write one, as in %s", text, u.name, u.example)
	}
	v, err := strconv.ParseFloat(parts[1], 64)
	if err != nil {
		return 0, fmt.Errorf("%q is too large", text)
	}
	suffix := strings.NewReplacer("µ", "u", "μ", "u").Replace(parts[2]) // the micro sign and the letter
	for _, p := range u.parts {
		if suffix == p.suffix || u == perSecond && suffix+"/s" == p.suffix {
			return v * p.factor, nil
		}
	}
	switch {
	case suffix != "":
		return 0, fmt.Errorf("%q is not %s: there is no unit %q; write it as in %s", text, u.name, parts[2], u.example)
	case v != 0:
		return 0, fmt.Errorf("%q has no unit; write it as in %s", text, u.example)
	}
	return 0, nil
}

// FormatRate formats requests per second, as in 12.9 k/s.
func FormatRate(v float64) string { return perSecond.format(v) }

// FormatDuration formats as in 3.1 ms.
func FormatDuration(d time.Duration) string { return FormatNanoseconds(float64(d)) }

// FormatNanoseconds is FormatDuration of a number.
func FormatNanoseconds(v float64) string { return nanoseconds.format(v) }

// FormatSize formats bytes, as in 7.6 MiB.
func FormatSize(bytes int64) string { return size.format(float64(bytes)) }
