package terminal

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/go-socketserver/socketserver/internal/text"
)

// A line is the line being edited. It is edited by grapheme clusters and shown by their width,
// which is two columns for Chinese.
type line struct {
	text string
	pos  int // of the cursor, in bytes

	history []string // oldest first
	at      int      // index of the shown line; len(history) is the draft
	draft   string
}

// maxHistory is the maximum number of lines in the history, without repetitions.
const maxHistory = 1000

func (l *line) set(text string) { l.text, l.pos = text, len(text) }

func (l *line) insert(text string) {
	l.text = l.text[:l.pos] + text + l.text[l.pos:]
	l.pos += len(text)
}

// cut removes the text between two positions and puts the cursor there.
func (l *line) cut(from, to int) {
	l.text = l.text[:from] + l.text[to:]
	l.pos = from
}

func (l *line) left()  { l.pos = l.before() }
func (l *line) right() { l.pos = l.after() }
func (l *line) home()  { l.pos = 0 }
func (l *line) end()   { l.pos = len(l.text) }

func (l *line) wordLeft()  { l.pos = l.wordStart() }
func (l *line) wordRight() { l.pos = l.wordEnd() }

func (l *line) backspace()    { l.cut(l.before(), l.pos) }
func (l *line) delete()       { l.cut(l.pos, l.after()) }
func (l *line) deleteWord()   { l.cut(l.wordStart(), l.pos) }
func (l *line) deleteBefore() { l.cut(0, l.pos) }
func (l *line) deleteAfter()  { l.cut(l.pos, len(l.text)) }

func (l *line) before() int {
	start := 0
	for i := 0; i < l.pos; {
		start = i
		cluster, _, _, _ := uniseg.FirstGraphemeClusterInString(l.text[i:l.pos], -1)
		i += len(cluster)
	}
	return start
}

func (l *line) after() int {
	cluster, _, _, _ := uniseg.FirstGraphemeClusterInString(l.text[l.pos:], -1)
	return l.pos + len(cluster)
}

func (l *line) wordStart() int {
	return afterSpace(strings.TrimRightFunc(l.text[:l.pos], unicode.IsSpace))
}

// afterSpace returns the start of the last word. A space may have several bytes, such as the
// ideographic one.
func afterSpace(text string) int {
	i := strings.LastIndexFunc(text, unicode.IsSpace)
	if i < 0 {
		return 0
	}
	_, n := utf8.DecodeRuneInString(text[i:])
	return i + n
}

func (l *line) wordEnd() int {
	tail := strings.TrimLeftFunc(l.text[l.pos:], unicode.IsSpace)
	n := strings.IndexFunc(tail, unicode.IsSpace)
	if n < 0 {
		n = len(tail)
	}
	return len(l.text) - len(tail) + n
}

// take returns the line and begins a new one.
func (l *line) take() string {
	text := l.text
	if text != "" && (len(l.history) == 0 || l.history[len(l.history)-1] != text) {
		l.history = append(l.history, text)
		l.history = l.history[max(0, len(l.history)-maxHistory):]
	}
	l.at, l.draft = len(l.history), ""
	l.set("")
	return text
}

func (l *line) older() { l.recall(l.at - 1) }
func (l *line) newer() { l.recall(l.at + 1) }

func (l *line) recall(at int) {
	if at < 0 || at > len(l.history) {
		return
	}
	if l.at == len(l.history) {
		l.draft = l.text
	}
	l.at = at
	if at == len(l.history) {
		l.set(l.draft)
		return
	}
	l.set(l.history[at])
}

// maxOffers is the maximum number of listed candidates.
const maxOffers = 40

// complete completes the word before the cursor to one of words, or the line to one of the
// history, or to their common prefix. If that adds nothing it returns the candidates. It does
// nothing for an empty line.
func (l *line) complete(words []string) []string {
	head := l.text[:l.pos]
	if head == "" {
		return nil
	}
	start := afterSpace(head)
	begun := head[start:]
	var fit []string
	for _, typed := range l.history {
		if strings.HasPrefix(typed, head) {
			fit = append(fit, typed[start:])
		}
	}
	for _, word := range words {
		if begun != "" && strings.HasPrefix(word, begun) {
			fit = append(fit, word)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	slices.Sort(fit)
	fit = slices.Compact(fit)
	common, last := fit[0], fit[len(fit)-1] // sorted: their common prefix is that of all
	for !strings.HasPrefix(last, common) {
		_, n := utf8.DecodeLastRuneInString(common)
		common = common[:len(common)-n]
	}
	if common == begun && len(fit) > 1 {
		return fit[:min(len(fit), maxOffers)]
	}
	l.insert(common[len(begun):])
	return nil
}

// view returns the part of the line around the cursor that fits into the columns, after the
// prompt if there is room, and the column of the cursor.
func (l *line) view(prompt string, columns int) (string, int) {
	columns-- // room for the cursor after the last character
	left := uniseg.StringWidth(prompt)
	if columns-left < 8 {
		prompt, left = "", 0
	}
	room := columns - left
	behind := min(room/3, uniseg.StringWidth(shape(l.text[l.pos:])))
	start, width := 0, uniseg.StringWidth(shape(l.text[:l.pos]))
	for start < l.pos && width > room-behind {
		cluster, _, _, _ := uniseg.FirstGraphemeClusterInString(l.text[start:], -1)
		start += len(cluster)
		width -= uniseg.StringWidth(shape(cluster))
	}
	return prompt + clip(shape(l.text[start:]), room), left + max(width, 0)
}

// shape is how text looks while it is edited: control characters and bytes that are not UTF-8 as
// escapes, and a tab as blanks.
func shape(s string) string { return strings.ReplaceAll(text.Line(s), "\t", "    ") }

// clip returns the prefix of text that fits into the columns.
func clip(text string, columns int) string {
	for i := 0; i < len(text); {
		cluster, _, w, _ := uniseg.FirstGraphemeClusterInString(text[i:], -1)
		if columns -= w; columns < 0 {
			return text[:i]
		}
		i += len(cluster)
	}
	return text
}
