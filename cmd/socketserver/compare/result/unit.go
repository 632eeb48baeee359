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
	base    float64            // factor from one suffix to the next; 0: there is only one
	shown   []string           // suffixes, ascending
	parsed  map[string]float64 // factors of suffixes
	words   map[string]float64 // values that are words
}

var (
	perSecond = &unit{
		name: "a rate", example: "2.5k/s", base: 1000,
		shown:  []string{"/s", " k/s", " M/s"},
		parsed: map[string]float64{"": 1, "k": 1e3, "M": 1e6, "/s": 1, "k/s": 1e3, "M/s": 1e6},
	}
	nanoseconds = &unit{
		name: "a time", example: "5ms", base: 1000,
		shown:  []string{" ns", " us", " ms", " s"},
		parsed: map[string]float64{"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9},
	}
	size = &unit{
		name: "a size", example: "40MiB", base: 1024,
		shown: []string{" B", " KiB", " MiB", " GiB", " TiB"},
		parsed: map[string]float64{
			"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9,
			"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
		},
	}
	count = &unit{
		name: "a number", example: "10",
		shown:  []string{""},
		parsed: map[string]float64{"": 1, "k": 1e3, "M": 1e6},
	}
	yesNo = &unit{name: "yes or no", example: "yes", words: map[string]float64{"yes": 1, "no": 0}}
)

// format returns a value with three digits, for parse to read. Counts have all digits.
func (u *unit) format(v float64) string {
	if u.base == 0 && v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	i := 0
	for i < len(u.shown)-1 && threeDigits(v) >= 1000 {
		v /= u.base
		i++
	}
	return strconv.FormatFloat(threeDigits(v), 'f', -1, 64) + u.shown[i]
}

func threeDigits(v float64) float64 {
	if v == 0 {
		return 0
	}
	if digits := 2 - math.Floor(math.Log10(math.Abs(v))); digits >= 0 {
		scale := math.Pow(10, digits)
		return math.Round(v*scale) / scale
	}
	return math.Round(v)
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
	factor, ok := u.parsed[parts[2]]
	switch {
	case ok:
		return v * factor, nil
	case parts[2] != "":
		return 0, fmt.Errorf("%q is not %s: there is no unit %q; write it as in %s", text, u.name, parts[2], u.example)
	case v != 0:
		return 0, fmt.Errorf("%q has no unit; write it as in %s", text, u.example)
	}
	return 0, nil
}

// FormatRate formats requests per second, as in 12.9 k/s.
func FormatRate(v float64) string { return perSecond.format(v) }

// FormatDuration formats as in 3.1 ms.
func FormatDuration(d time.Duration) string { return nanoseconds.format(float64(d)) }

// FormatSize formats bytes, as in 7.6 MiB.
func FormatSize(bytes int64) string { return size.format(float64(bytes)) }

// List joins names as in "a, b and c".
func List(names []string) string { return join(names, " and ") }

func either(names []string) string { return join(names, " or ") }

func join(names []string, last string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + last + names[n-1]
	}
	return strings.Join(names, "")
}

// Counted returns a number with its noun, as in "1 request" or "2 requests".
func Counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
