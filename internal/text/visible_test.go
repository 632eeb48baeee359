package text

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// inParts returns what a stream of form f makes of text that comes in parts of the sizes in
// cuts, over and over.
func inParts(t testing.TB, f Form, text, cuts []byte) string {
	s := &Stream{Form: f}
	var all []byte
	for i := 0; len(text) > 0; i++ {
		n := len(text)
		if len(cuts) > 0 {
			n = min(n, 1+int(cuts[i%len(cuts)]))
		}
		// A part is the caller's again after the call, and what was returned may be changed.
		out := s.Next(append([]byte(nil), text[:n]...))
		require.True(t, f == Raw || utf8.Valid(out), "%q", out)
		all = append(all, out...)
		for i := range out {
			out[i] = 'X'
		}
		text = text[n:]
	}
	return string(append(all, s.Rest()...))
}

func TestBlock(t *testing.T) {
	for text, want := range map[string]string{
		"plain text\n":               "plain text\n",
		"one\ttab":                   "one\ttab",
		"a line\r\nand\r\n":          "a line\nand\n",
		"over\rwritten":              `over\rwritten`,
		"\r\r\n":                     "\\r\n",
		"\x1b[31mred\x1b[0m":         `\x1b[31mred\x1b[0m`,
		"\x1b]52;c;aGk=\a":           `\x1b]52;c;aGk=\a`,
		"\u009b2J":                   `\u009b2J`,
		"\x00\b\v\f\x7f":             `\x00\b\v\f\x7f`,
		"你好，世界":                      "你好，世界",
		"abc\u202edef\u2066x\u2069":  `abc\u202edef\u2066x\u2069`,
		"a\u200bb\ufeff\u2028\u00ad": `a\u200bb\ufeff\u2028\u00ad`,
		"\U000e0041":                 `\U000e0041`,
		"👩\u200d🚀 שלום\u200f می\u200cخواهم": "👩\u200d🚀 שלום\u200f می\u200cخواهم",
		"\xff\xfe \xe4\xbd!": `\xff\xfe \xe4\xbd!`,
		"\ufffd":             "\ufffd",
	} {
		require.Equal(t, want, Lines(text), "%q", text)
		require.Equal(t, want, inParts(t, Block, []byte(text), []byte{0}), "%q", text)
	}
}

func TestOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"a\ttab":                           "a\ttab",
		"a\r\nb\n\r":                       `a\r\nb\n\r`,
		"你好\x1b]0;title\a\r\n\xe4":         `你好\x1b]0;title\a\r\n\xe4`,
		"\u202e\u2066\u2028 👩\u200d🚀 \xff": `\u202e\u2066\u2028 👩` + "\u200d" + `🚀 \xff`,
	} {
		require.Equal(t, want, Line(text), "%q", text)
		require.Equal(t, want, inParts(t, OneLine, []byte(text), []byte{0}), "%q", text)
	}
}

func TestRelay(t *testing.T) {
	for text, want := range map[string]string{
		"\x1b[2J\a":                          `\u001b[2J\u0007`,
		"\u009b31m, \x9b31m":                 `\u009b31m, \x9b31m`,
		"\u202a\u202e\u2066\u2069":           `\u202a\u202e\u2066\u2069`,
		"over\rwritten\r":                    `over\u000dwritten\u000d`,
		"kept: \u200b\ufeff\u200e\t\r\n\r\n": "kept: \u200b\ufeff\u200e\t\r\n\r\n",
	} {
		require.Equal(t, want, inParts(t, Relay, []byte(text), nil), "%q", text)
		require.Equal(t, want, inParts(t, Relay, []byte(text), []byte{0}), "%q", text)
	}
}

func TestStreamHoldsWhatIsIncomplete(t *testing.T) {
	var s Stream
	require.Equal(t, "a", string(s.Next([]byte("a\xe4\xbd"))))
	require.True(t, s.Held())
	require.Equal(t, "你", string(s.Next([]byte("\xa0"))))
	require.False(t, s.Held())
	require.Empty(t, s.Next([]byte("\xe4")))
	require.Equal(t, `\xe4`, string(s.Rest()))
	require.Empty(t, s.Next([]byte("\r")))
	require.Equal(t, `\r`, string(s.Rest()))
	require.Empty(t, s.Rest())
}

// Text that needs no change is not copied.
func TestStreamAllocates(t *testing.T) {
	s, part := &Stream{Form: Relay}, []byte("hello\n")
	require.Zero(t, testing.AllocsPerRun(100, func() { s.Next(part) }))
}

// Whatever comes, in whatever parts, nothing of it acts on a terminal, and the parts make no
// difference.
func FuzzStream(f *testing.F) {
	for _, text := range []string{
		"", "hello\r\n", "\x1b]52;c;aGk=\x07", "\x1b[31m", "a\rb", "\r", "\r\r\n", "你好", "\xe4\xbd", "\xe4", "\xf0\x9f\x98", "\u202e\u2066", "\u009b", "\x9b", "\xff\xfe",
		"\xc0\xaf", "\xed\xa0\x80", strings.Repeat("é", 600),
	} {
		f.Add([]byte(text), []byte{0, 1, 5})
	}
	marks := []rune{'\u061c', '\u200e', '\u200f'} // of a direction that ends by itself
	f.Fuzz(func(t *testing.T, text, cuts []byte) {
		require.Equal(t, string(text), inParts(t, Raw, text, cuts))
		for _, form := range []Form{Block, OneLine, Relay} {
			shown := inParts(t, form, text, cuts)
			require.Equal(t, inParts(t, form, text, nil), shown)
			if form == Relay {
				shown = strings.ReplaceAll(shown, "\r\n", "\n")
			}
			for _, r := range shown {
				safe := !unicode.IsControl(r) && (!unicode.Is(unicode.Bidi_Control, r) || strings.ContainsRune(string(marks), r))
				require.True(t, safe || r == '\t' || r == '\n' && form != OneLine, "%q", shown)
			}
		}
		harmless := utf8.Valid(text)
		for _, r := range string(text) {
			harmless = harmless && (r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r))
		}
		if harmless {
			require.Equal(t, string(text), inParts(t, Relay, text, cuts))
		}
	})
}
