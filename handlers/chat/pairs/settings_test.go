package pairs

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

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
