package plugin_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

func sum(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// Lines are sorted by name, and comments stay with what follows them.
func TestLockKeepsComments(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/" + plugin.LockFile
	write(t, path, "# What may run here.\n\n# From the vendor.\n"+sum("b")+"  stdio   b b.sh\n# Ours.\n"+sum("a")+" go a\n# The end.\n", 0o600)
	lock, err := plugin.ReadLock(path)
	require.NoError(t, err)
	require.Equal(t, sum("b"), lock.Sum("b b.sh"))
	require.Empty(t, lock.Sum("c"))
	lock.Set(plugin.Locked{Sum: sum("new"), Kind: plugin.Go, Name: "a"})
	lock.Set(plugin.Locked{Sum: sum("c"), Kind: plugin.Python, Name: "aa.py"})
	lock.Set(plugin.Locked{Sum: sum("d"), Kind: plugin.Wasm, Name: "gone"})
	lock.Keep([]string{"a", "aa.py", "b b.sh"})
	require.NoError(t, lock.Write(path))
	want := "# What may run here.\n\n# Ours.\n" + sum("new") + "  go      a\n" + sum("c") + "  python  aa.py\n# From the vendor.\n" + sum("b") + "  stdio   b b.sh\n# The end.\n"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, string(text))
	again, err := plugin.ReadLock(path)
	require.NoError(t, err)
	require.NoError(t, again.Write(path))
	text, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, string(text))
}

func TestWrongLock(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/" + plugin.LockFile
	for _, line := range []string{"x", sum("a")[1:] + "  go  a", sum("a"), sum("a") + "  go", strings.ToUpper(sum("a")) + "  go  a"} {
		write(t, path, "# one\n"+line+"\n", 0o600)
		_, err := plugin.ReadLock(path)
		require.ErrorContains(t, err, path+":2: a line is a SHA-256 in hex, a kind and a name", line)
	}
	lock, err := plugin.ReadLock(path + ".none")
	require.NoError(t, err)
	require.Empty(t, lock.Sum("a"))
}

// The sum of source is that of the list which sha256sum prints of its files.
func TestSumOfSource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(dir+"/x/a", 0o755))
	for _, name := range []string{"main.go", "a/a.go", "a.go", "go.mod", "README.md"} {
		write(t, dir+"/x/"+name, name, 0o644)
	}
	is, err := plugin.Identify(dir, "x", plugin.Definition{})
	require.NoError(t, err)
	list := ""
	for _, name := range []string{"a.go", "a/a.go", "go.mod", "main.go"} {
		list += sum(name) + "  " + name + "\n"
	}
	require.Equal(t, plugin.Locked{Sum: sum(list), Kind: plugin.Go, Name: "x"}, is)
}

// Source that is not what it must be is not built, and what was built from it runs otherwise.
func TestLockedSource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(dir+"/x", 0o755))
	write(t, dir+"/x/main.go", "package main\n\nfunc main() {}\n", 0o644)
	write(t, dir+"/x/go.mod", "module x\n", 0o644)
	is, err := plugin.Identify(dir, "x", plugin.Definition{})
	require.NoError(t, err)
	log := frameworktest.NewLog().Logger()
	ready, errs := plugin.Prepare(t.Context(), dir, map[string]plugin.Definition{"x": {Sum: is.Sum}}, log)
	require.Empty(t, errs)
	program, err := os.ReadFile(ready["x"].Path)
	require.NoError(t, err)
	require.Equal(t, sum(string(program)), ready["x"].Sum)
	write(t, dir+"/x/more.go", "package main\n", 0o644)
	changed, err := plugin.Identify(dir, "x", plugin.Definition{})
	require.NoError(t, err)
	_, errs = plugin.Prepare(t.Context(), dir, map[string]plugin.Definition{"x": {Sum: is.Sum}}, log)
	require.ErrorContains(t, errs["x"], fmt.Sprintf(`plugin "x": %s/x has the sum %s, and sha256 is %s; if it is what it should be, correct sha256 in plugin "x"`, dir, changed.Sum[:8], is.Sum[:8]))
}

// What was checked is what runs, whatever kind it is of and whenever it is started, also where the file
// is another one by then.
func TestCheckedFileRuns(t *testing.T) {
	t.Parallel()
	const python = `import socketserver

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline()[5:])
`
	worker, err := os.ReadFile(documented(t, "upper.py"))
	require.NoError(t, err)
	self, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	cat, err := os.ReadFile("/bin/cat")
	require.NoError(t, err)
	for _, c := range []struct {
		name, text string
		kind       plugin.Kind
		strategy   framework.Strategy
		answer     string
	}{
		{"subject", string(self), plugin.Go, &framework.Forking{}, "hello"},
		{"program", string(cat), plugin.Stdio, &framework.Threading{}, "echo hello"},
		{"script", "#!/bin/sh\nread -r command text\necho $text\n", plugin.Stdio, &framework.Forking{}, "hello"},
		{"script.py", python, plugin.Python, &framework.Preforking{Workers: 1}, "hello"},
		{"upper.py", string(worker), plugin.Worker, &framework.Threading{}, "ECHO HELLO"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath("python3"); filepath.Ext(c.name) == ".py" && err != nil {
				t.Skip("needs python3")
			}
			path, j := t.TempDir()+"/"+c.name, frameworktest.NewLog()
			write(t, path, c.text, 0o755)
			conf := settings(t, c.name, j)
			conf.Path, conf.Kind, conf.Sum = path, c.kind, sum(c.text)
			class := open(t, conf)
			require.NoError(t, os.Remove(path))
			write(t, path, "#!/bin/sh\necho bad\n", 0o755)
			s := serve(t, frameworktest.NewServer(t, "tcp", class), c.strategy, j)
			require.Equal(t, c.answer, dial(t, s).ask(t, "echo hello"))
			_, err := plugin.Open(t.Context(), conf)
			require.ErrorContains(t, err, fmt.Sprintf("%s has the sum %s, and sha256 is %s", path, sum("#!/bin/sh\necho bad\n")[:8], conf.Sum[:8]))
		})
	}
}
