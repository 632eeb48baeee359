package supervisor

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The zone of a link-local address stays: nothing can be bound without it.
func TestResolveKeepsZones(t *testing.T) {
	for text, want := range map[string]string{
		"[fe80::1%lo]:7010":  "[fe80::1%lo]:7010",
		"[fe80::1%1]:7010":   "[fe80::1%1]:7010",
		"[ff02::1%lo]:0":     "[ff02::1%lo]:0",
		"[::1]:7010":         "[::1]:7010",
		"127.0.0.1:7010":     "127.0.0.1:7010",
		"[::ffff:1.2.3.4]:1": "1.2.3.4:1",
	} {
		got, err := resolve(t.Context(), text)
		require.NoError(t, err, text)
		require.Len(t, got, 1)
		require.Equal(t, want, got[0].String())
	}
}
