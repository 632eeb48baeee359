package chat

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// A screen is what one client says on its way to others. It never splits a character of
// UTF-8: what a chunk has of one at its end goes with the next chunk. Unless raw is set,
// nothing that it returns acts on a terminal: control characters other than newline and tab,
// which also begin escape sequences, bidirectional overrides and invalid UTF-8 are written
// as \u001b or \xff. A carriage return may stand before a newline.
type screen struct {
	raw  bool
	held []byte // of the last chunk: the beginning of a character, or a carriage return
	out  []byte
}

// pass returns what may be relayed now. It is valid until the next call, or until chunk is
// changed.
func (s *screen) pass(chunk []byte) []byte {
	if len(s.held) > 0 {
		chunk = append(s.held, chunk...)
		s.held = nil
	}
	if n := s.incomplete(chunk); n > 0 {
		s.held = bytes.Clone(chunk[len(chunk)-n:])
		chunk = chunk[:len(chunk)-n]
	}
	return s.show(chunk)
}

// rest returns what was held back, when there is no next chunk.
func (s *screen) rest() []byte {
	held := s.held
	s.held = nil
	return s.show(held)
}

// incomplete is how many bytes at the end of the chunk may be the beginning of something.
func (s *screen) incomplete(chunk []byte) int {
	for n := 1; n <= min(len(chunk), utf8.UTFMax-1); n++ {
		tail := chunk[len(chunk)-n:]
		switch {
		case tail[0] == '\r' && n == 1 && !s.raw:
			return 1
		case utf8.RuneStart(tail[0]):
			if !utf8.FullRune(tail) {
				return n
			}
			return 0
		}
	}
	return 0
}

func (s *screen) show(text []byte) []byte {
	if s.raw || harmless(text) {
		return text
	}
	s.out = appendVisible(s.out[:0], text)
	return s.out
}

// harmless says whether text is of what most messages are made of.
func harmless(text []byte) bool {
	for _, c := range text {
		if (c < ' ' && c != '\n' && c != '\t') || c > '~' {
			return false
		}
	}
	return true
}

func appendVisible(to, text []byte) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1:
			to = fmt.Appendf(to, `\x%02x`, text[0])
		case r == '\r' && len(text) > 1 && text[1] == '\n', !acts(r):
			to = append(to, text[:size]...)
		default:
			to = fmt.Appendf(to, `\u%04x`, r)
		}
		text = text[size:]
	}
	return to
}

// acts says whether a terminal would do something else than to draw r.
func acts(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069': // bidirectional overrides
		return true
	}
	return unicode.IsControl(r)
}
