package plugin

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
)

// Where no source is known the error has the commands that make a module.
func TestNoSourceIsKnown(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "alone"), 0o700))
	_, err := (&builder{dir: dir}).overlay(&found{name: "alone", from: filepath.Join(dir, "alone")})
	require.ErrorContains(t, err, "alone && go mod init alone && go mod edit -replace "+ownModule+"=DIRECTORY-OF-ITS-SOURCE && go mod tidy")
}

// Source where this program was built is used only if nobody else could have put it there.
func TestSourceOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir, err := os.MkdirTemp("/tmp", "built") // which everybody can write
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	within := filepath.Join(dir, "framework")
	require.NoError(t, os.Mkdir(within, 0o700))
	require.True(t, belongsTo(within, 1000), "root's")
	require.NoError(t, os.Chown(dir, 1000, 1000))
	require.True(t, belongsTo(within, 1000), "its own")
	require.False(t, belongsTo(within, 1001))
	require.True(t, belongsTo(within, 0), "another check")
	require.False(t, belongsTo(filepath.Join(dir, "gone"), 1000))
}

// An import of socketserver that is misspelt is no module that is missing.
func TestMisspeltImport(t *testing.T) {
	root := moduleRoot(builtFrom())
	const lacks = "main.go:3:8: no required module provides package " + ownModule
	require.Equal(t, `; did you mean "`+ownModule+`/framework/plugin"?`, nextStep(root, lacks+"/framework/plugn; to add it:\n\tgo get"))
	require.Equal(t, "; there is no such package; correct its path", nextStep(root, lacks+"/other/nothing"))
	require.Equal(t, "; there is no such package; correct its path", nextStep(t.TempDir(), "module "+ownModule+"@latest found, but does not contain package "+ownModule+"/nothing"))
	require.Contains(t, nextStep(t.TempDir(), lacks+"/framework/plugin"), "; run: cd ")
}

// A script that does not come to serve is told in its own words.
func TestScriptThatLoops(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	<-ctx.Done()
	i := &instance{runner: newRunner(&Settings{Log: hclog.NewNullLogger()}, nil, nil)}
	require.ErrorContains(t, i.noHello(ctx, Python, nil), "it has come neither to serve_forever() nor to its end within 5s")
	require.ErrorContains(t, i.noHello(ctx, Worker, nil), "it did not say hello on descriptor 3 within 5s")
}
