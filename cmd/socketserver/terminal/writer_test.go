package terminal

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

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
