package watch_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/watch"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestChanges(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	write := func(name, text string) { require.NoError(t, os.WriteFile(name, []byte(text), 0o600)) }
	file := filepath.Join(dir, "servers.hcl")
	write(file, "1")
	changed := make(chan os.Signal, 1)
	w, err := watch.New(changed)
	require.NoError(t, err)
	defer w.Close()
	patterns := []string{file, filepath.Join(dir, "conf.d", "*.hcl")}
	w.Watch(patterns, config.Sum(patterns))
	for _, change := range []struct {
		name string
		do   func()
	}{
		{"written", func() { write(file, "2") }},
		{"replaced", func() {
			write(filepath.Join(dir, ".new"), "3")
			require.NoError(t, os.Rename(filepath.Join(dir, ".new"), file))
		}},
		{"a symbolic link", func() {
			write(filepath.Join(elsewhere, "a"), "4")
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.Symlink(filepath.Join(elsewhere, "a"), file))
		}},
		{"what it leads to", func() { write(filepath.Join(elsewhere, "a"), "5") }},
		{"a link that is swapped", func() {
			write(filepath.Join(elsewhere, "b"), "6")
			require.NoError(t, os.Symlink(filepath.Join(elsewhere, "b"), filepath.Join(dir, ".new")))
			require.NoError(t, os.Rename(filepath.Join(dir, ".new"), file))
		}},
		{"a directory that is made", func() {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, "conf.d"), 0o700))
			write(filepath.Join(dir, "conf.d", "x.hcl"), "7")
		}},
		{"a file in it", func() { write(filepath.Join(dir, "conf.d", "y.hcl"), "8") }},
		{"removed", func() { require.NoError(t, os.Remove(filepath.Join(dir, "conf.d", "x.hcl"))) }},
	} {
		change.do()
		select {
		case <-changed:
		case <-time.After(frameworktest.Patience):
			require.FailNow(t, "not noticed: "+change.name)
		}
		require.Empty(t, changed, "one change at a time: "+change.name)
	}
	w.Watch(patterns, "another") // what has changed before is noticed, too
	<-changed
	now, err := os.ReadFile(file)
	require.NoError(t, err)
	write(file, string(now)) // is no change
	write(filepath.Join(dir, "other"), "1")
	write(filepath.Join(dir, "conf.d", "z.hcl"), "9")
	<-changed
	require.Empty(t, changed)
}

// What else is written in the directory all the time does not keep a change from being seen.
func TestChangeBesideABusyFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	changed := make(chan os.Signal, 1)
	w, err := watch.New(changed)
	require.NoError(t, err)
	defer w.Close()
	write("counter.py", "1")
	patterns := []string{filepath.Join(dir, "counter.py")}
	w.Watch(patterns, config.Sum(patterns))
	write("counter.py", "2")
	late := time.After(frameworktest.Patience)
	for {
		select {
		case <-changed:
			return
		case <-late:
			require.FailNow(t, "not noticed")
		case <-time.After(20 * time.Millisecond):
			write("counter.db", "1")
		}
	}
}
