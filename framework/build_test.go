package framework

import (
	"embed"
	"testing"

	"github.com/stretchr/testify/require"
)

//go:embed errors.go
var one embed.FS

//go:embed handler.go
var other embed.FS

func TestFingerprint(t *testing.T) {
	require.Equal(t, Fingerprint(one), Fingerprint(one))
	for _, trees := range [][]embed.FS{{}, {other}, {one, other}, {other, one}} {
		require.NotEqual(t, Fingerprint(one), Fingerprint(trees...))
	}
	require.NotPanics(t, func() { Fingerprint(embed.FS{}) })
}
