package chat

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// screenAll passes text in chunks of the sizes that cuts says, over and over.
func screenAll(t *testing.T, s *screen, text, cuts []byte) string {
	var all []byte
	for i := 0; len(text) > 0; i++ {
		n := len(text)
		if len(cuts) > 0 {
			n = min(n, 1+int(cuts[i%len(cuts)]))
		}
		// A chunk is the caller's again after the call, and what was returned may be changed.
		chunk := append([]byte(nil), text[:n]...)
		out := s.pass(chunk)
		if !s.raw {
			require.True(t, utf8.Valid(out), "%q", out)
		}
		all = append(all, out...)
		for i := range out {
			out[i] = 'X'
		}
		text = text[n:]
	}
	return string(append(all, s.rest()...))
}

// Whatever one sends, and however it is cut, what others get is valid, acts on no terminal and is the
// same; what is harmless is not changed.
func FuzzScreen(f *testing.F) {
	for _, text := range []string{
		"", "hello\r\n", "\x1b]52;c;aGk=\x07", "\x1b[31m", "a\rb", "\r", "\r\r\n", "你好", "\xe4\xbd", "\xe4", "\xf0\x9f\x98", "\u202e\u2066", "\u009b", "\x9b", "\xff\xfe",
		"\xc0\xaf", "\xed\xa0\x80", strings.Repeat("é", 600),
	} {
		f.Add([]byte(text), []byte{0, 1, 5})
	}
	f.Fuzz(func(t *testing.T, text, cuts []byte) {
		shown := screenAll(t, &screen{}, text, cuts)
		require.Equal(t, screenAll(t, &screen{}, text, nil), shown)
		require.Equal(t, string(text), screenAll(t, &screen{raw: true}, text, cuts))
		plain := utf8.Valid(text)
		for _, r := range string(text) {
			plain = plain && (r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r))
		}
		if plain {
			require.Equal(t, string(text), shown)
		}
		for _, r := range strings.ReplaceAll(shown, "\r\n", "\n") {
			require.False(t, r != '\n' && r != '\t' && unicode.IsControl(r), "%q", r)
			require.False(t, r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069', "%q", r)
		}
	})
}

// A message that needs no change is not copied.
func TestScreenAllocates(t *testing.T) {
	s, chunk := &screen{}, []byte("hello\n")
	require.Zero(t, testing.AllocsPerRun(100, func() { s.pass(chunk) }))
}

func FuzzSettings(f *testing.F) {
	for _, line := range []string{"name:a to:b", "name:a to:b to:c", "name: to: to:", "name:a\tto:b", "name:a\u3000to:b", "name:", "name:to:to:to:"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		s, ok := parseSettings(line)
		if !ok {
			return
		}
		require.NotEmpty(t, s.name)
		require.NotEmpty(t, s.to)
		rest, ok := strings.CutPrefix(line, "name:"+s.name)
		require.True(t, ok)
		rest, ok = strings.CutSuffix(rest, "to:"+s.to)
		require.True(t, ok)
		require.Equal(t, 1, utf8.RuneCountInString(rest))
		_, again := parseSettings("name:x to:" + s.to)
		require.True(t, again)
	})
}
