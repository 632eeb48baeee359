package text

import (
	"strconv"
	"strings"
)

// Counted returns a number with its noun, as in "1 request" or "2 requests".
func Counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// And joins words as in "a, b and c".
func And(words []string) string { return join(words, " and ") }

// Or joins words as in "a, b or c".
func Or(words []string) string { return join(words, " or ") }

func join(words []string, last string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + last + words[n-1]
	}
	return strings.Join(words, "")
}

// Beginning returns a text in quotes, or no more than its beginning.
func Beginning[T string | []byte](text T) string {
	const most = 60
	if len(text) > most {
		return strconv.Quote(strings.ToValidUTF8(string(text[:most]), "")) + "..."
	}
	return strconv.Quote(string(text))
}
