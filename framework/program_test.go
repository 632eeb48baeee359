package framework

import (
	"embed"
	"io/fs"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/internal"
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

// What the worker links of the framework and of internal/ is in the fingerprint, for whatever
// system it is. Tests are not: they would be part of each worker.
func TestFingerprintIsOfAllFiles(t *testing.T) {
	const module = "github.com/go-socketserver/socketserver/"
	output, err := exec.Command("go", "list", "-deps", "-f",
		`{{$at := .ImportPath}}{{range .GoFiles}}{{$at}}/{{.}} {{end}}{{range .IgnoredGoFiles}}{{$at}}/{{.}} {{end}}`,
		"../cmd/socketserver-worker-tls").Output()
	require.NoError(t, err)
	trees := map[string]embed.FS{module + "framework/": sourceFiles, module + "internal/": internal.Source}
	found := map[string]int{}
	for _, file := range strings.Fields(string(output)) {
		for root, tree := range trees {
			path, ok := strings.CutPrefix(file, root)
			if !ok || strings.HasSuffix(path, "_test.go") {
				continue
			}
			_, err := fs.Stat(tree, path)
			require.NoError(t, err, "add a pattern for it, beside the other patterns")
			found[root]++
		}
	}
	require.Len(t, found, len(trees))
	for _, tree := range trees {
		require.NoError(t, fs.WalkDir(tree, ".", func(path string, _ fs.DirEntry, err error) error {
			require.False(t, strings.HasSuffix(path, "_test.go"), path)
			return err
		}))
	}
}
