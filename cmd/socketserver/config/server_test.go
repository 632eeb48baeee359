package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIsName(t *testing.T) {
	for _, name := range []string{"a", "1", "a b.c_d-e", "é", "e\u0301", "名前", strings.Repeat("x", 64), strings.Repeat("名", 64)} {
		require.True(t, isName(name, 64, "", " ._-"), "%q", name)
	}
	for _, name := range []string{"", "-a", ".a", "_a", " a", "\u0301e", "a/b", "a\n", "a\x00", "\xff", "a\xff", strings.Repeat("x", 65), strings.Repeat("名", 65)} {
		require.False(t, isName(name, 64, "", " ._-"), "%q", name)
	}
	require.True(t, isName("_a_.b", 64, "_", ".-"))
}
