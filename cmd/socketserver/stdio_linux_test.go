package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// programs makes a directory of plugins.
func programs(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	return dir
}

// doubles are the same program in languages that people have: it doubles a line.
var doubles = map[string]string{
	"sh":     "#!/bin/sh\nread -r line\necho \"$line$line\"\necho \"heard $line\" >&2\n",
	"awk":    "#!/usr/bin/awk -f\n{ print $0 $0; print \"heard \" $0 > \"/dev/stderr\"; exit }\n",
	"python": "#!/usr/bin/env python3\nimport sys\nline = sys.stdin.readline().strip()\nprint(line * 2, flush=True)\nprint(\"heard\", line, file=sys.stderr)\n",
	"perl":   "#!/usr/bin/perl\n$_ = <STDIN>; chomp; print \"$_$_\\n\"; print STDERR \"heard $_\\n\";\n",
	"c": `#include <stdio.h>
#include <string.h>
int main(void) {
	char line[100];
	if (!fgets(line, sizeof line, stdin)) return 1;
	line[strcspn(line, "\n")] = 0;
	printf("%s%s\n", line, line);
	fprintf(stderr, "heard %s\n", line);
}
`,
}

// A program on standard input and output serves in any language, on every transport of connections,
// under every strategy that has a place for it.
func TestProgramsInManyLanguages(t *testing.T) {
	dir := programs(t, nil)
	conf := fmt.Sprintf("plugins { directory = %q }\n", dir)
	for language, text := range doubles {
		needs, name := map[string]string{"awk": "awk", "python": "python3", "perl": "perl", "c": "gcc"}[language], filepath.Join(dir, "double-"+language)
		if _, err := exec.LookPath(needs); needs != "" && err != nil {
			t.Logf("there is no %s", needs)
			continue
		}
		require.NoError(t, os.WriteFile(name, []byte(text), 0o755))
		if language == "c" {
			require.NoError(t, os.Rename(name, name+".c"))
			out, err := exec.Command("gcc", "-o", name, name+".c").CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.NoError(t, os.Remove(name+".c"))
		}
		for _, concurrency := range []string{"threading", "forking"} {
			conf += fmt.Sprintf(`server "%[1]s %[2]s" {
  transport "tcp" { address = "127.0.0.1:0" }
  transport "unix" { address = "%[3]s/%[1]s-%[2]s" }
  concurrency %[2]q {}
  plugin "double-%[1]s" {}
}
`, language, concurrency, t.TempDir())
		}
	}
	p, listeners := serveFile(t, conf)
	for _, l := range listeners {
		text := strings.ReplaceAll(l.server+l.network, " ", "")
		conn := dial(t, l)
		frameworktest.Send(t, conn, text+"\n")
		require.Equal(t, text+text+"\n", frameworktest.End(t, conn)) // some awks read no line before the end
		e := p.await(t, "heard "+text, event{"server": l.server, "plugin": "double-" + strings.Fields(l.server)[0]})
		require.NotEmpty(t, e["client"])
	}
}

// The programs of a daemon that is killed end with it.
func TestProgramsDieWithTheDaemon(t *testing.T) {
	dir := programs(t, map[string]string{"stay": "#!/bin/sh\necho $$\nexec cat\n"})
	p, listeners := serveFile(t, fmt.Sprintf(`plugins { directory = %q }
server "s" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "forking" {}
  plugin "stay" {}
}
`, dir))
	var ends []chan error
	for range 10 {
		line, err := bufio.NewReader(dial(t, listeners[0])).ReadString('\n')
		require.NoError(t, err)
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		require.NoError(t, err)
		child, err := os.FindProcess(pid)
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() {
			ended <- child.WithHandle(func(fd uintptr) { // readable when it has ended
				_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(frameworktest.Patience.Milliseconds()))
			})
		}()
		ends = append(ends, ended)
	}
	require.NoError(t, syscall.Kill(-p.Process.Pid, syscall.SIGKILL))
	for _, ended := range ends {
		require.NoError(t, frameworktest.Await(t, ended))
	}
}

// A reload after a file has changed begins with what is there then; conversations go on.
func TestProgramIsReplacedByReload(t *testing.T) {
	dir := programs(t, map[string]string{"v.sh": "#!/bin/sh\necho one\nexec cat\n"})
	conf := fmt.Sprintf(`plugins { directory = %q }
server "v" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  plugin "v" {}
}
`, dir)
	r := reloadable(t, conf)
	l := r.listeners[0]
	first := dial(t, l)
	require.Equal(t, "one\n", receive(t, first))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "new"), []byte("#!/bin/sh\necho two\nexec cat\n"), 0o755))
	require.NoError(t, os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "v.sh")))
	require.Equal(t, "~ v: another program\n", r.do(t, "reload"))
	require.Equal(t, "two\n", receive(t, dial(t, l)))
	require.Equal(t, "still", frameworktest.Ask(t, first, "still"))
	require.Equal(t, "~ v: another process\n", r.do(t, "plugin", "reload", "v"))
	require.Equal(t, "two\n", receive(t, dial(t, l)))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "v.sh"), []byte("#!/nonexistent\n"), 0o755))
	require.Contains(t, r.refuse(t, "plugin", "reload", "v"), "is a script for /nonexistent, which is not installed")
}

// What an operator asks for names the process.
func TestProgramsAreSeen(t *testing.T) {
	dir := programs(t, map[string]string{"stay.sh": "#!/bin/sh\necho $$\nexec cat\n"})
	r := reloadable(t, fmt.Sprintf(`plugins { directory = %q }
server "s" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "forking" {}
  plugin "stay" {}
}
`, dir))
	conn := dial(t, r.listeners[0])
	pid := strings.TrimSpace(receive(t, conn))
	list := r.do(t, "ps")
	require.Contains(t, list, pid)
	id := strings.Fields(strings.Split(list, "\n")[1])[0]
	r.do(t, "kill", id)
	requireEnd(t, conn)
}

// How a program runs that lies elsewhere, with its options.
func TestDefinedProgram(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sum.awk"), []byte(
		`{ print ENVIRON["OPTION_prefix"], $1 + $2, ENVIRON["OPTION_times"], ENVIRON["EXTRA"], ENVIRON["SOCKETSERVER_OPTIONS"]; fflush() }`), 0o644))
	text := `plugin "sum" {
  command     = ["/usr/bin/awk", "-f", "sum.awk"]
  environment = { EXTRA = "more" }
  option "prefix" { default = "=" }
  option "times" { type = "number" }
  option "list" { type = "list" }
}
server "s" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "forking" {}
  plugin "sum" {
    times = 2
    list  = ["a"]
  }
}
`
	if _, err := os.Stat("/usr/bin/awk"); err != nil {
		t.Skip("needs awk")
	}
	file := filepath.Join(dir, "servers.hcl")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	_, listeners := serveArgs(t, "-c", file)
	conn := dial(t, listeners[0])
	frameworktest.Send(t, conn, "1 2\n")
	require.Equal(t, `= 3 2 more {"list":["a"],"prefix":"=","times":2}`+"\n", frameworktest.End(t, conn))

	out, err := says("socketserver", "handlers", "-c", file, "sum")
	require.NoError(t, err, out)
	require.Contains(t, out, `prefix = "="`)
	for old, c := range map[string]struct{ new, want string }{
		"times = 2":         {"tims = 2", `12:5: server "s": plugin "sum": option "tims": there is no such option; did you mean "times"?`},
		"times = 2 ":        {"times = \"2\"", `option "times": is a string where a number is wanted`},
		`"forking" {}`:      {`"preforking" {}`, `10:3: server "s": plugin "sum": "preforking" cannot run it, as it is a program that is started for each request; use "forking"`},
		`"tcp" {`:           {`"unixpacket" {`, `9:38: server "s": plugin "sum": "unixpacket" cannot serve it, as it is a program on standard input, and one that reads less than a message loses the rest; use transport "unix"`},
		`"/usr/bin/awk"`:    {`"awk"`, "there is no " + dir + "/awk; a path is relative to the file that names it, and is not looked for in PATH"},
		`environment`:       {"recycle { requests = 9 }\nenvironment", `12:3: server "s": plugin "sum": recycle is for a process that serves many requests, and under "forking" each of them has one of its own; remove recycle`},
		`{ default = "=" }`: {`{ default = 1 }`, `default: this is a number; write a string`},
		`option "times"`:    {`option "prefix"`, `there is a second one`},
		`  option "prefix"`: {`  kind = "go"` + "\n" + `  option "prefix"`, `it is of the kind "go"`},
	} {
		require.NoError(t, os.WriteFile(file, []byte(strings.Replace(text, strings.TrimSpace(old), c.new, 1)), 0o644))
		out, err := says("socketserver", "validate", "-c", file)
		require.Error(t, err, old)
		require.Contains(t, out, c.want)
	}
}
