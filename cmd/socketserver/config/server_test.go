package config

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Names are those of the expressions that count, too, which take long to compile.
func TestNamePatterns(t *testing.T) {
	for counted, pattern := range map[string]namePattern{
		`^[\pL\pN][\pL\pN\pM ._-]{0,63}$`: serverName,
		`^[\pL\pN_]([\pL\pN_.-]{0,252})$`: hostName,
	} {
		names := regexp.MustCompile(counted)
		for _, name := range []string{
			"", "a", "-a", ".a", "_a", " a", "a b.c_d-e", "1", "é", "e\u0301", "\u0301e", "名前", "a/b", "a\n", "a\x00", "\xff", "a\xff",
			strings.Repeat("x", 64), strings.Repeat("x", 65), strings.Repeat("名", 64), strings.Repeat("名", 65),
			strings.Repeat("x", 253), strings.Repeat("x", 254), strings.Repeat("名", 253), strings.Repeat("名", 254),
		} {
			require.Equal(t, names.MatchString(name), pattern.match(name), "%q", name)
		}
	}
}
