package terminal

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible makes text from elsewhere safe to show: what could move the cursor, change the
// terminal or reorder what is read is shown as an escape of Go, such as \x1b or \u202e, and
// so are bytes that are no UTF-8. Newlines and tabs stay, and the carriage return of a line
// ending goes. A character may come in parts, the rest with the next call.
type Visible struct {
	Newlines bool // they are shown as escapes, too, with their carriage return

	pending []byte // the beginning of a character or line ending
}

// Line is the visible form of a whole text as one line, such as what a peer calls itself.
func Line(text string) string { return whole(Visible{Newlines: true}, text) }

// Lines is the visible form of a whole text whose lines are our own, such as an error.
func Lines(text string) string { return whole(Visible{}, text) }

func whole(v Visible, text string) string { return v.Text([]byte(text)) + v.Rest() }

// Text is the visible form of what has come so far and was not returned yet.
func (v *Visible) Text(p []byte) string {
	text := p
	if len(v.pending) > 0 {
		text = append(v.pending, p...)
		v.pending = nil
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case !utf8.FullRune(text), r == '\r' && len(text) == 1 && !v.Newlines:
			v.pending = bytes.Clone(text)
			return b.String()
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(text[0]), 16))
		case r == '\r' && !v.Newlines && text[1] == '\n':
		case r == '\n' && v.Newlines, hidden(r):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
		text = text[n:]
	}
	return b.String()
}

// Rest is what was pending when nothing more comes.
func (v *Visible) Rest() string {
	var b strings.Builder
	for _, c := range v.pending {
		if c == '\r' {
			b.WriteString(`\r`)
		} else {
			b.WriteString(`\x` + strconv.FormatUint(uint64(c), 16))
		}
	}
	v.pending = nil
	return b.String()
}

// hidden says whether a character acts instead of being seen. Of the invisible ones those
// stay that scripts and emoji are spelled with: joiners, and marks of direction that end
// with the next letter.
func hidden(r rune) bool {
	switch r {
	case '\n', '\t', '\u200c', '\u200d', '\u200e', '\u200f', '\u061c':
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// A Writer shows text from elsewhere on a terminal on which nobody types.
type Writer struct {
	w       io.Writer
	visible Visible
	midLine bool
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write shows text.
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.show(w.visible.Text(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// BeginLine ends the line that is under way, unless a character is, too.
func (w *Writer) BeginLine() error {
	if !w.midLine || len(w.visible.pending) > 0 {
		return nil
	}
	return w.show("\n")
}

// Close shows what was incomplete and ends the line. What w writes to stays open.
func (w *Writer) Close() error {
	if err := w.show(w.visible.Rest()); err != nil {
		return err
	}
	return w.BeginLine()
}

func (w *Writer) show(text string) error {
	if text == "" {
		return nil
	}
	w.midLine = !strings.HasSuffix(text, "\n")
	_, err := io.WriteString(w.w, text)
	return err
}
