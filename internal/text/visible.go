// Package text makes text from elsewhere safe to show, and finds the name that a misspelled
// one may have been meant to be.
package text

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// A Form selects what becomes visible. In every form but Raw no character reaches a terminal
// that moves the cursor, changes its state or reorders what is read, and bytes that are not
// UTF-8 are written as \xff. Tabs stay.
type Form int

const (
	// Block keeps newlines and drops the carriage return before one. Characters are written
	// as Go does: \x1b, \u202e. It is for the lines that a peer or a program prints.
	Block Form = iota
	// OneLine is Block without line endings, which become \r and \n.
	OneLine
	// Relay keeps newlines, the carriage return before one, and invisible characters that
	// act on nothing: the text goes on to other people. Characters are written as \u001b.
	Relay
	// Raw changes nothing. As in all forms, a [Stream] does not split a character.
	Raw
)

// Line returns s in the form OneLine: safe in a log line or an error.
func Line(s string) string { return show(OneLine, s) }

// Lines returns s in the form Block: for a text whose newlines are our own.
func Lines(s string) string { return show(Block, s) }

func show(f Form, s string) string {
	if isPlain(f, s) {
		return s
	}
	return string(f.Append(nil, []byte(s)))
}

// isPlain reports whether p consists of what most text is made of, and stays as it is.
func isPlain[T string | []byte](f Form, p T) bool {
	for i := range len(p) {
		if c := p[i]; (c < ' ' || c > '~') && c != '\t' && (c != '\n' || f == OneLine) && f != Raw {
			return false
		}
	}
	return true
}

// Append appends p to dst in the form f.
func (f Form) Append(dst, p []byte) []byte {
	if f == Raw {
		return append(dst, p...)
	}
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = fmt.Appendf(dst, `\x%02x`, p[0])
		case f != OneLine && r == '\r' && len(p) > 1 && p[1] == '\n':
			if f == Relay {
				dst = append(dst, '\r')
			}
		case !f.Hides(r):
			dst = append(dst, p[:size]...)
		case f == Relay:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			dst = append(dst, quoted[1:len(quoted)-1]...)
		}
		p = p[size:]
	}
	return dst
}

// Hides reports whether f replaces r: a control character, a bidirectional embedding, override
// or isolate and, except in Relay, another invisible character. Those that scripts and emoji
// are spelled with stay: joiners, and marks of a direction that ends with the next letter.
func (f Form) Hides(r rune) bool {
	switch {
	case f == Raw, r == '\t', r == '\n' && f != OneLine:
		return false
	case unicode.IsControl(r), '\u202a' <= r && r <= '\u202e', '\u2066' <= r && r <= '\u2069':
		return true
	case f == Relay, '\u200c' <= r && r <= '\u200f', r == '\u061c':
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// A Stream makes text visible that comes in parts. What may be the beginning of a character
// or of a line ending is held back until the next part. The zero value is ready and uses Block.
type Stream struct {
	Form Form

	held []byte
	out  []byte
}

// Next returns what can be shown of the text so far and was not returned before. It is valid
// until the next call, or until p is changed.
func (s *Stream) Next(p []byte) []byte {
	if len(s.held) > 0 {
		p = append(s.held, p...)
		s.held = nil
	}
	if n := s.incomplete(p); n > 0 {
		s.held = bytes.Clone(p[len(p)-n:])
		p = p[:len(p)-n]
	}
	return s.show(p)
}

// Held reports whether a character or a line ending has begun.
func (s *Stream) Held() bool { return len(s.held) > 0 }

// Rest returns what was held back, when there is no next part.
func (s *Stream) Rest() []byte {
	held := s.held
	s.held = nil
	return s.show(held)
}

// incomplete returns the number of bytes at the end of p that the next part may complete.
func (s *Stream) incomplete(p []byte) int {
	for n := 1; n <= min(len(p), utf8.UTFMax-1); n++ {
		tail := p[len(p)-n:]
		switch {
		case n == 1 && tail[0] == '\r' && (s.Form == Block || s.Form == Relay):
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

// show does not copy text that stays as it is.
func (s *Stream) show(p []byte) []byte {
	if isPlain(s.Form, p) {
		return p
	}
	s.out = s.Form.Append(s.out[:0], p)
	return s.out
}
