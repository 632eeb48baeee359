package render

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrap(t *testing.T) {
	require.Equal(t, []string{"aaa bb", "cccc"}, wrap("aaa bb cccc", 7))
	require.Equal(t, []string{"a", "bbbbb", "bbb c"}, wrap("a bbbbbbbb c", 5))
	require.Equal(t, []string{"took", "3.1 ms", "of it"}, wrap("took 3.1 ms of it", 8), "a number keeps its unit")
	require.Equal(t, []string{""}, wrap("", 5))
}

func TestSplit(t *testing.T) {
	g := grid{head: []string{"name", "aaaa", "bbbb", "cccc"}, rows: [][]string{{"x", "1", "2", "3"}}}
	require.Len(t, split(g, 24), 1)
	parts := split(g, 23)
	require.Equal(t, []string{"name", "aaaa", "bbbb"}, parts[0].head)
	require.Equal(t, [][]string{{"x", "3"}}, parts[1].rows)
	require.Len(t, split(g, 1), 3, "a column that does not fit has a table of its own")
}
