package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// Memory is that of the names that are shown, however many there are.
func TestScanIsBounded(t *testing.T) {
	root := t.TempDir()
	const files = 2000
	for i := range files {
		require.NoError(t, os.WriteFile(filepath.Join(root, fmt.Sprintf("%04d", (i*7919)%files)), nil, 0o600))
	}
	l, err := scan(context.Background(), root, ".", 3)
	require.NoError(t, err)
	require.Equal(t, "0000\n0001\n0002\n(1997 more)", l.String())
	require.Less(t, cap(l.names), files/2)
}

// A directory is not read to its end if that is far, and the answer says so.
func TestScanGivesUp(t *testing.T) {
	root := t.TempDir()
	for i := range 600 {
		require.NoError(t, os.WriteFile(filepath.Join(root, fmt.Sprintf("%04d", i)), nil, 0o600))
	}
	dir, err := os.Open(root)
	require.NoError(t, err)
	defer dir.Close()
	l, err := readNames(context.Background(), dir, 10, 100)
	require.NoError(t, err)
	require.Len(t, l.names, 10)
	require.Less(t, l.more, 590)
	require.True(t, strings.HasSuffix(l.String(), fmt.Sprintf("\n(more than %d more)", l.more)))
}

// A server that stops does not wait for a large directory.
func TestScanIsCancelled(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "file"), nil, 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := scan(ctx, root, ".", 10)
	require.ErrorIs(t, err, context.Canceled)
}

func FuzzParse(f *testing.F) {
	for _, input := range []string{"ls", "ls a", "ls\t/tmp", "ls  a", "time", "os", "ls \xff", "ls", "l", ""} {
		f.Add([]byte(input))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		name, path := parse(input)
		switch name {
		case "":
			require.Empty(t, path)
		case "time", "date", "os":
			require.Equal(t, name, string(input))
		case "ls":
			require.True(t, string(input) == "ls" || strings.HasPrefix(string(input[3:]), path))
			require.NotEmpty(t, path)
			require.False(t, strings.ContainsAny(path, " \t\r\n\v\f"))
		default:
			t.Fatalf("command %q", name)
		}
	})
}

// Whatever is asked for, nothing of outside is listed.
func FuzzScan(f *testing.F) {
	root := filepath.Join(f.TempDir(), "root")
	for _, dir := range []string{"root/a", "outside"} {
		require.NoError(f, os.MkdirAll(filepath.Join(root, "..", dir), 0o755))
	}
	require.NoError(f, os.WriteFile(filepath.Join(root, "../outside/secret"), nil, 0o600))
	require.NoError(f, os.Symlink("../outside", filepath.Join(root, "out")))
	for _, input := range []string{"ls ..", "ls out", "ls a/../out", "ls /a", "ls a/../../outside"} {
		f.Add(input)
	}
	f.Fuzz(func(t *testing.T, path string) {
		l, err := scan(context.Background(), root, path, 10)
		if err == nil {
			require.False(t, slices.Contains(l.names, "secret"), "%q", path)
		}
	})
}

// Every name is one line, without control characters.
func FuzzQuote(f *testing.F) {
	f.Add("two\nlines")
	f.Fuzz(func(t *testing.T, name string) {
		require.False(t, strings.ContainsFunc(quote(name), unicode.IsControl))
	})
}
