package text

import (
	"fmt"
	"strings"
)

// Hint asks whether the nearest of the names was meant; it returns otherwise if none is near.
func Hint(name string, names []string, otherwise string) string {
	if meant := Nearest(name, names); meant != "" {
		return fmt.Sprintf("did you mean %q?", meant)
	}
	return otherwise
}

// Nearest returns the one of names that name may have been meant to be: one that begins with
// it, or that differs in at most two characters and in no more than half. It returns "" if
// there is none. Case does not count.
func Nearest(name string, names []string) string {
	best, least := "", 3
	for _, n := range names {
		d := distance(strings.ToLower(name[:min(len(name), 64)]), strings.ToLower(n))
		if len(name) >= 3 && strings.HasPrefix(n, name) {
			d = 1
		}
		if d < least && d <= (len(n)+1)/2 {
			best, least = n, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(from, to string) int {
	a, b := []rune(from), []rune(to)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
