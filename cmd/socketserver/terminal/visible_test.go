package terminal

import (
	"bytes"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestVisible(t *testing.T) {
	t.Parallel()
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
		var all Visible
		require.Equal(t, want, all.Text([]byte(text))+all.Rest(), "%q", text)
		var split Visible // after each byte
		var got string
		for _, b := range []byte(text) {
			got += split.Text([]byte{b})
		}
		require.Equal(t, want, got+split.Rest(), "%q", text)
	}
}

func TestVisibleIncomplete(t *testing.T) {
	t.Parallel()
	var v Visible
	require.Equal(t, "a", v.Text([]byte("a\xe4\xbd")))
	require.Equal(t, "你", v.Text([]byte("\xa0")))
	require.Empty(t, v.Text([]byte("\xe4")))
	require.Equal(t, `\xe4`, v.Rest())
	require.Empty(t, v.Text([]byte("\r")))
	require.Equal(t, `\r`, v.Rest())
	require.Empty(t, v.Rest())
}

func TestVisibleNewlines(t *testing.T) {
	t.Parallel()
	v := Visible{Newlines: true}
	require.Equal(t, `a\r\nb\n\r`, v.Text([]byte("a\r\nb\n\r")))
}

func TestWriter(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := NewWriter(&out)
	for _, text := range []string{"one", "two\n", "three", "x\xe4\xbd", "\xa0\x1b", "\xe4"} {
		require.NoError(t, w.BeginLine())
		n, err := w.Write([]byte(text))
		require.NoError(t, err)
		require.Len(t, text, n)
	}
	require.NoError(t, w.Close())
	require.Equal(t, "one\ntwo\nthree\nx你\\x1b\n\\xe4\n", out.String())
}

// Whatever comes, in whatever parts, nothing of it acts on a terminal.
func FuzzVisible(f *testing.F) {
	f.Add([]byte("\x1b[2J\r\n\u202e你\xff"), 3)
	f.Fuzz(func(t *testing.T, text []byte, at int) {
		var v, whole Visible
		at = max(0, min(at, len(text)))
		got := v.Text(text[:at]) + v.Text(text[at:]) + v.Rest()
		require.True(t, utf8.ValidString(got))
		require.Equal(t, whole.Text(text)+whole.Rest(), got)
		for _, r := range got {
			require.True(t, r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r) || unicode.In(r, marks), "%q", got)
		}
	})
}

// marks are of a direction that ends by itself.
var marks = &unicode.RangeTable{R16: []unicode.Range16{{Lo: 0x61c, Hi: 0x61c, Stride: 1}, {Lo: 0x200e, Hi: 0x200f, Stride: 1}}}

func TestWhole(t *testing.T) {
	t.Parallel()
	require.Equal(t, `你好\x1b]0;title\a\r\n\xe4`, Line("你好\x1b]0;title\a\r\n\xe4"))
	require.Equal(t, "one\n\ttwo"+`\x1b[31m\r`, Lines("one\n\ttwo\x1b[31m\r"))
}
