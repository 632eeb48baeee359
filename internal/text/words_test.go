package text

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCounted(t *testing.T) {
	require.Equal(t, "0 requests", Counted(0, "request"))
	require.Equal(t, "1 request", Counted(1, "request"))
	require.Equal(t, "2 requests", Counted(2, "request"))
}

func TestWords(t *testing.T) {
	require.Equal(t, "", And(nil))
	require.Equal(t, "a and b", And([]string{"a", "b"}))
	require.Equal(t, "a, b or c", Or([]string{"a", "b", "c"}))
	require.Equal(t, `"a\x00"`, Beginning("a\x00"))
	require.Equal(t, `"`+strings.Repeat("a", 59)+`"...`, Beginning([]byte(strings.Repeat("a", 59)+"é")))
}
