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

// Nearest returns the one of names that name may have been meant to be, "" if there is none. Case does
// not count.
func Nearest(name string, names []string) string {
	best, least := "", tooFar
	name = strings.ToLower(name[:min(len(name), 64)])
	for _, n := range names {
		if d := difference(name, strings.ToLower(n)); d < least {
			best, least = n, d
		}
	}
	return best
}

const tooFar = 3

// difference returns by how much name differs from n: not much if one of them is the beginning of the
// other, or if they have the first two thirds of name in common. Otherwise it is the number of characters,
// at most two and no more than half of them, and in a short word not the first one, too.
func difference(name, n string) int {
	begin := 0
	for begin < min(len(name), len(n)) && name[begin] == n[begin] {
		begin++
	}
	d := distance(name, n)
	switch {
	case begin == len(name) && begin >= 3:
		return min(d, 1)
	case begin == len(n) && begin >= 3, begin >= 4 && 3*begin >= 2*len(name):
		return min(d, 2)
	case d > (len(n)+1)/2, d > 1 && begin == 0 && len(n) < 5:
		return tooFar
	}
	return d
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
