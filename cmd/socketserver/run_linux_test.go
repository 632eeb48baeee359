package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

// runs starts run in a directory with these files, all executable, and returns where it listens.
func runs(t *testing.T, files map[string]string, args ...string) (*process, listener) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700))
	}
	p := start(t, dir, exec.Command("socketserver", append([]string{"run", "--log-format", "json"}, args...)...))
	return p, p.awaitListening(t)[0]
}

// The address that stands for all of a machine is none to connect to, where it is vsock's.
func TestIntroductionOfVsock(t *testing.T) {
	var b strings.Builder
	introduce(&b, []supervisor.Status{{Name: "echo", Strategy: "threading", Listeners: []supervisor.Listener{{Network: "vsock", Address: "any:9000"}, {Network: "vsock", Address: "3:9000"}}}}, "")
	require.Equal(t, `echo serves vsock://any:9000 under threading; talk to it with: socketserver connect vsock://local:9000
echo serves vsock://3:9000 under threading; talk to it with: socketserver connect vsock://3:9000
^C ends it
`, b.String())
}

// What can be named is served at once, and the command says how to talk to it.
func TestRun(t *testing.T) {
	t.Parallel()
	script := func(interpreter, text string) string { return "#!" + interpreter + "\n" + text + "\n" }
	for target, c := range map[string]struct {
		text, answer, strategy string
		args                   []string
	}{
		"echo":      {"", "bob\n", "threading", []string{"--set", "framing=line"}},
		"./greet":   {script("/bin/sh", `read name; echo "hello, $name from $OPTION"`), "hello, bob from \n", "forking", nil},
		"greet.awk": {script("/usr/bin/awk -f", `{ print "hello, " $1 }`), "hello, bob\n", "threading", []string{"--concurrency", "threading"}},
	} {
		t.Run(target, func(t *testing.T) {
			if strings.HasSuffix(target, ".awk") {
				if _, err := os.Stat("/usr/bin/awk"); err != nil {
					t.Skip("needs /usr/bin/awk")
				}
			}
			files := map[string]string{}
			if c.text != "" {
				files[target] = c.text
			}
			p, l := runs(t, files, append([]string{target, "--listen", "tcp://127.0.0.1:0"}, c.args...)...)
			conn := dial(t, l)
			_, err := io.WriteString(conn, "bob\n")
			require.NoError(t, err)
			require.NoError(t, conn.(*net.TCPConn).CloseWrite())
			answer, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.Equal(t, c.answer, string(answer))
			p.await(t, fmt.Sprintf("%s serves tcp://%s under %s; talk to it with: socketserver connect tcp://%[2]s", filepath.Base(target), l.address, c.strategy))
		})
	}
}

// What is printed is the same configuration.
func TestRunPrints(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700))
	}
	write("greet.sh", "#!/bin/sh\necho hello\n")
	write("two words!.sh", "#!/bin/sh\necho hello\n")
	for _, args := range [][]string{
		{"echo"},
		{"echo", "--set", "framing=line", "--concurrency", "preforking"},
		{"timestamp", "--set", "requests=3", "--set", `format=$${data} %{{{data} "q"`, "--listen", "udp://:9000", "--listen", "unix://" + dir + "/s"},
		{"sink"},
		{"./greet.sh"},
		{"./two words!.sh"},
	} {
		command := exec.Command("socketserver", append(append([]string{"run"}, args...), "--print")...)
		command.Dir = dir
		printed, err := command.Output()
		require.NoError(t, err, "%s", args)
		write("servers.hcl", string(printed))
		validate := exec.Command("socketserver", "validate")
		validate.Dir = dir
		out, err := validate.CombinedOutput()
		require.NoError(t, err, "%s\n%s", printed, out)
		formatted := exec.Command("socketserver", "fmt", "--check", "servers.hcl")
		formatted.Dir = dir
		out, err = formatted.CombinedOutput()
		require.NoError(t, err, "%s\n%s", printed, out)

		var flags config.Flags
		for i := 1; i < len(args); i += 2 {
			into := map[string]*[]string{"--set": &flags.Set, "--listen": &flags.Listen}[args[i]]
			if into == nil {
				flags.Concurrency = args[i+1]
				continue
			}
			*into = append(*into, args[i+1])
		}
		if !strings.HasPrefix(args[0], ".") { // the paths of others differ by their directory
			require.NoError(t, target(args[0], &flags))
			catalog := newCatalog(t.Context(), logFlags{})
			want, err := config.FromFlags(flags, catalog)
			require.NoError(t, err)
			got, err := config.Parse("servers.hcl", printed, newCatalog(t.Context(), logFlags{}))
			require.NoError(t, err)
			a, err := json.Marshal(want.Servers)
			require.NoError(t, err)
			b, err := json.Marshal(got.Servers)
			require.NoError(t, err)
			require.JSONEq(t, string(a), string(b))
		}
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "text"), []byte("hello"), 0o600))
	sh, err := exec.LookPath("sh")
	require.NoError(t, err)
	for args, want := range map[string]string{
		"":                      "run needs TARGET",
		"sh":                    `there is no handler and no plugin "sh", and no such file; for the program write ` + sh,
		"eco":                   `there is no handler and no plugin "eco", and no such file; did you mean "echo"?`,
		"./gone":                "./gone: no such file or directory",
		"./text":                "is not executable; if it is a program, run: chmod +x",
		"a b":                   `"b" is one argument too many`,
		"echo --listen nothing": `this is not a URL; write it as in tcp://localhost:9000`,
	} {
		command := exec.Command("socketserver", append([]string{"run"}, strings.Fields(args)...)...)
		command.Dir = dir
		out, err := command.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), want)
	}
}
