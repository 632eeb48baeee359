// Package nearest finds what somebody may have meant who has written something else.
package nearest

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
)

// Hint asks whether the nearest of the names was meant; where none is near it is otherwise.
func Hint(name string, names []string, otherwise string) string {
	if meant := To(name, names); meant != "" {
		return fmt.Sprintf("did you mean %q?", meant)
	}
	return otherwise
}

// To returns the one of names that name may have been meant to be: one that begins with
// it, or that differs in two characters at most and in no more than half. It is empty where
// none is like that. Case does not count.
func To(name string, names []string) string {
	best, least := "", 3
	for _, n := range names {
		d := levenshtein.Distance(strings.ToLower(name[:min(len(name), 64)]), strings.ToLower(n), nil)
		if len(name) >= 3 && strings.HasPrefix(n, name) {
			d = 1
		}
		if d < least && d <= (len(n)+1)/2 {
			best, least = n, d
		}
	}
	return best
}
