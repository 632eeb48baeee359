package plugin_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// converse starts a program with limits on standard input and output, and returns a client of it and its
// process, which has the limits once the program says something.
func converse(t *testing.T, limits framework.Restrictions, text string) (*client, int) {
	t.Helper()
	conf, j := settings(t, "limited", frameworktest.NewLog()), frameworktest.NewLog()
	conf.Kind, conf.Path, conf.Limits, conf.Environment = plugin.Stdio, t.TempDir()+"/limited", limits, []string{"LC_ALL=C"}
	write(t, conf.Path, text, 0o755)
	s, started := frameworktest.NewServer(t, "tcp", open(t, conf)), make(chan int, 1)
	s.Trace = &framework.Trace{Started: func(_ *framework.Request, _ framework.Place, pid int) { started <- pid }}
	serve(t, s, &framework.Forking{}, j)
	return dial(t, s), <-started
}

// A plugin that ends as it begins may lack memory, which it does not say.
func TestPluginWithoutMemory(t *testing.T) {
	t.Parallel()
	for _, memory := range []int64{1 << 20, 10 << 20, 50 << 20} {
		conf := settings(t, "limited", frameworktest.NewLog())
		conf.Limits.Memory = memory
		_, err := plugin.Open(t.Context(), conf)
		require.ErrorContains(t, err, fmt.Sprintf("its memory is limited to %d KiB", memory>>10))
	}
}

// One that says why it ends does not lack memory.
func TestPluginThatFailsWithMemory(t *testing.T) {
	t.Parallel()
	conf := settings(t, "typo", frameworktest.NewLog())
	conf.Kind, conf.Path, conf.Limits.Memory = plugin.Go, filepath.Join(t.TempDir(), "typo"), 1<<30
	write(t, conf.Path, "#!/bin/sh\necho 'no such option' >&2; exit 1\n", 0o755)
	_, err := plugin.Open(t.Context(), conf)
	require.ErrorContains(t, err, "no such option")
	require.NotContains(t, err.Error(), "memory")
}

// A program is refused the memory that it may not have; the server does not notice.
func TestProgramIsRefusedMemory(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("needs python3")
	}
	c, _ := converse(t, framework.Restrictions{Memory: 512 << 20}, `#!/usr/bin/env python3
for line in iter(input, ""):
    try:
        print(len(bytearray(int(line) << 20)) >> 20, flush=True)
    except MemoryError:
        print("refused", flush=True)
`)
	require.Equal(t, "1", c.ask(t, "1"))
	require.Equal(t, "refused", c.ask(t, "1024"))
	require.Equal(t, "2", c.ask(t, "2"))
}

// limitsOf returns some limits of a process, as the system has them.
func limitsOf(t *testing.T, pid int) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	require.NoError(t, err)
	limits := map[string]string{}
	for line := range strings.Lines(string(text)) {
		for _, name := range []string{"Max cpu time", "Max address space", "Max open files", "Max processes"} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				limits[name] = strings.Join(strings.Fields(rest)[:2], " ")
			}
		}
	}
	return limits
}

// What a program starts has its limits, however early that is.
func TestLimitsOfAProgram(t *testing.T) {
	t.Parallel()
	c, pid := converse(t, framework.Restrictions{Memory: 1 << 30, CPU: 1500 * time.Millisecond, Files: 40, Processes: 3000}, "#!/bin/sh\nsleep 1000 &\nread -r line\necho $!\nwait\n")
	var child int
	_, err := fmt.Sscan(c.ask(t, ""), &child)
	require.NoError(t, err)
	for _, pid := range []int{pid, child} {
		require.Equal(t, map[string]string{
			"Max cpu time": "2 2", "Max address space": "1073741824 1073741824", "Max open files": "40 40", "Max processes": "3000 3000",
		}, limitsOf(t, pid))
	}
	require.NoError(t, c.Close())
}

// The limits are those of a process that is kept, and of the children of forking.
func TestLimitsOfAKeptProcess(t *testing.T) {
	t.Parallel()
	for name, strategy := range map[string]framework.Strategy{"threading": &framework.Threading{}, "forking": &framework.Forking{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := frameworktest.NewLog()
			conf := settings(t, "subject", j)
			conf.Limits = framework.Restrictions{Files: 200, CPU: time.Hour}
			s := serve(t, frameworktest.NewServer(t, "tcp", open(t, conf)), strategy, j)
			limits := limitsOf(t, dial(t, s).pid(t))
			require.Equal(t, "200 200", limits["Max open files"])
			require.Equal(t, "3600 3600", limits["Max cpu time"])
		})
	}
}

func TestLimitsThatAKindCannotHave(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind   plugin.Kind
		limits framework.Restrictions
		want   string
	}{
		{plugin.Go, framework.Restrictions{Files: 100}, `plugin "x": limits.files is 100, and a process of the kind "go" needs 128; raise it`},
		{plugin.Wasm, framework.Restrictions{Memory: 5 << 30}, "limits.memory of a WebAssembly module is at most 4GiB"},
		{plugin.Wasm, framework.Restrictions{Memory: 1 << 20, CPU: time.Second}, "of what bounds one only limits.memory"},
	} {
		_, err := plugin.Open(t.Context(), plugin.Settings{Name: "x", Definition: plugin.Definition{Kind: c.kind, Limits: c.limits}})
		require.ErrorContains(t, err, c.want)
	}
}

// A plugin runs as another user, in no other group, also where that user may not look at what was checked.
func TestPluginOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	t.Parallel()
	nobody := framework.Restrictions{AsUser: true, UID: 65534, GID: 65534}
	const script = "#!/bin/sh\nread -r line\necho $(id -u) $(id -G)\n"
	for _, sum := range []string{"", sum(script)} {
		conf := settings(t, "whoami", frameworktest.NewLog())
		conf.Limits, conf.Sum, conf.Kind, conf.WorkingDirectory = nobody, sum, plugin.Stdio, "/"
		dir, err := os.MkdirTemp("", "user")
		require.NoError(t, err)
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		require.NoError(t, os.Chmod(dir, 0o755))
		conf.Path = dir + "/whoami"
		write(t, conf.Path, script, 0o755)
		s := serve(t, frameworktest.NewServer(t, "tcp", open(t, conf)), &framework.Threading{}, frameworktest.NewLog())
		require.Equal(t, "65534 65534", dial(t, s).ask(t, ""))
	}
	for _, strategy := range []framework.Strategy{&framework.Threading{}, &framework.Forking{}} {
		j := frameworktest.NewLog()
		conf := settings(t, "subject", j)
		conf.Limits = nobody
		s := serve(t, frameworktest.NewServer(t, "tcp", open(t, conf)), strategy, j)
		status, err := os.Open(fmt.Sprintf("/proc/%d/status", dial(t, s).pid(t)))
		require.NoError(t, err)
		defer status.Close()
		found := map[string]string{}
		for lines := bufio.NewScanner(status); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ":")
			found[name] = strings.Join(strings.Fields(value), " ")
		}
		require.Equal(t, "65534 65534 65534 65534", found["Uid"])
		require.Equal(t, "65534 65534 65534 65534", found["Gid"])
		require.Empty(t, found["Groups"])
	}
}

// What keeps a process from its program is told when its server opens, with who may not do what.
func TestPluginThatItsUserCannotReach(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	t.Parallel()
	base, err := os.MkdirTemp("", "reach")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	require.NoError(t, os.Chmod(base, 0o755))
	require.NoError(t, os.Mkdir(base+"/private", 0o700))
	require.NoError(t, os.Mkdir(base+"/private/in", 0o755))
	require.NoError(t, os.Mkdir(base+"/public", 0o755))
	const shell, python = "#!/bin/sh\ncat\n", "import socketserver\nclass H(socketserver.StreamRequestHandler):\n    def handle(self): pass\n"
	for n, c := range []struct {
		directory, name, text string
		mode                  os.FileMode
		sandboxed             bool
		want                  string
	}{
		{"private", "a.sh", shell, 0o755, false, "user 65534, which it runs as, may not run in " + base + "/private; let it, as by chmod o+x"},
		{"private/in", "a.sh", shell, 0o755, false, "user 65534, which it runs as, may not enter " + base + "/private, and so not run in " + base + "/private/in"},
		{"private", "b.py", python, 0o644, false, "user 65534, which it runs as, may not run in " + base + "/private; let it, as by chmod o+x"},
		{"public", "c.sh", shell, 0o700, false, "user 65534, which it runs as, may not execute " + base + "/public/c.sh; let it"},
		{"public", "d.sh", shell, 0o711, false, "user 65534, which it runs as, may not read " + base + "/public/d.sh; let it"},
		{"public", "e.py", python, 0o600, false, "user 65534, which it runs as, may not read " + base + "/public/e.py; let it"},
		{"public", "f", "\x7fELF" + strings.Repeat(" ", 60), 0o700, false, "user 65534, which it runs as, may not execute " + base + "/public/f; let it"},
		{"public", "g.sh", shell, 0o755, true, "its sandbox does not let it read /bin/sh; add that to read"},
		{"public", "h.sh", shell, 0o755, false, ""},
		{"public", "i.py", python, 0o644, false, ""},
	} {
		path, limits := fmt.Sprintf("%s/%s/%s", base, c.directory, c.name), framework.Restrictions{AsUser: true, UID: 65534, GID: 65534}
		write(t, path, c.text, c.mode)
		require.NoError(t, os.Chmod(path, c.mode))
		found, err := plugin.Find(base+"/"+c.directory, c.name, plugin.Definition{Limits: limits})
		require.NoError(t, err)
		if c.sandboxed {
			if (&framework.Sandbox{Required: true}).Check(frameworktest.NewLog().Logger()) != nil {
				continue
			}
			found.Limits, found.Sandbox = framework.Restrictions{}, &framework.Sandbox{}
		}
		class, err := plugin.Open(t.Context(), plugin.Settings{Name: "x", Server: "test", Definition: found, Log: frameworktest.NewLog().Logger()})
		if c.want != "" {
			require.ErrorContains(t, err, c.want, n)
			continue
		}
		require.NoError(t, err)
		require.NoError(t, class.Close())
	}
}
