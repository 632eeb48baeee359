package framework

import (
	"embed"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
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

// Reading the files is only for a compiler that keeps no hashes. If this fails, look at
// what package embed has become.
func TestHashesOfTheCompiler(t *testing.T) {
	require.True(t, addHashes(io.Discard, sourceFiles))
	sum := func(add func(io.Writer, embed.FS) bool, tree embed.FS) string {
		var b strings.Builder
		add(&b, tree)
		return b.String()
	}
	require.Len(t, sum(addHashes, one), len("errors.go")+16)
	require.NotEqual(t, sum(addHashes, one)[len("errors.go"):], sum(addHashes, other)[len("handler.go"):])
	require.NotContains(t, sum(addHashes, one), strings.Repeat("\x00", 16))
}

func TestContents(t *testing.T) {
	var b strings.Builder
	addContents(&b, one)
	text, err := one.ReadFile("errors.go")
	require.NoError(t, err)
	require.Equal(t, "errors.go"+string(text), b.String())
}

// A file that the patterns do not match would not be part of the fingerprint.
func TestSourceFilesAreComplete(t *testing.T) {
	for _, pattern := range []string{"*.go", "internal/*/*.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			_, err := fs.Stat(sourceFiles, filepath.ToSlash(file))
			require.Equal(t, strings.HasSuffix(file, "_test.go"), err != nil, file)
		}
	}
}
