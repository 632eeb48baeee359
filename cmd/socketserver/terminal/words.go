package terminal

import "regexp"

// maxShown is how much output is kept for completion, in bytes.
const maxShown = 64 << 10

// shown is the last output. Tab completes its words: names, commands, files.
type shown struct{ text []byte }

func (s *shown) add(text string) {
	s.text = append(s.text, text...)
	if len(s.text) > 2*maxShown {
		s.text = append(s.text[:0], s.text[len(s.text)-maxShown:]...)
	}
}

func (s *shown) words() []string { return words([]string{string(s.text)}) }

// Chinese has no spaces, so that a name in ASCII may stand within a sentence.
var (
	word      = regexp.MustCompile(`(?:\B/)?[\p{L}\p{N}_](?:[\p{L}\p{M}\p{N}_.-]*[\p{L}\p{M}\p{N}_-])?`)
	asciiWord = regexp.MustCompile(`(?:\B/)?\w(?:[\w.-]*[\w-])?`)
)

// words returns the words of all texts, with duplicates.
func words(texts []string) []string {
	var all []string
	for _, text := range texts {
		all = append(all, word.FindAllString(text, -1)...)
		all = append(all, asciiWord.FindAllString(text, -1)...)
	}
	return all
}
