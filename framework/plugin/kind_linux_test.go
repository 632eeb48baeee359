package plugin_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

func TestKindIsFoundByLooking(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir+"/server.py", "import os, socketserver\n", 0o644)
	write(t, dir+"/executable.py", "#!/usr/bin/env python3\nfrom socketserver import *\n", 0o755)
	write(t, dir+"/script.py", "#!/usr/bin/env python3\n# import socketserver\n", 0o755)
	write(t, dir+"/echo.wasm", "\x00asm\x01\x00\x00\x00", 0o644)
	write(t, dir+"/greet.sh", "#!/bin/sh\necho hello\n", 0o755)
	write(t, dir+"/other", "#!/bin/sh\nread line <&3 # knows SOCKETSERVER_PLUGIN\n", 0o755)
	require.NoError(t, os.Symlink("greet.sh", dir+"/link"))
	kinds := map[string]plugin.Kind{
		"server": plugin.Python, "executable": plugin.Python, "script": plugin.Stdio, "echo": plugin.Wasm,
		"greet": plugin.Stdio, "greet.sh": plugin.Stdio, "other": plugin.Go, "link": plugin.Stdio,
	}
	all := map[string]plugin.Definition{}
	for name := range kinds {
		all[name] = plugin.Definition{}
	}
	all["cat"] = plugin.Definition{Path: "/bin/cat"}
	all["given"] = plugin.Definition{Path: dir + "/greet.sh", Kind: plugin.Worker}
	kinds["cat"], kinds["given"] = plugin.Stdio, plugin.Worker
	ready, errs := plugin.Prepare(t.Context(), dir, all, frameworktest.NewLog().Logger())
	require.Empty(t, errs)
	for name, kind := range kinds {
		require.Equal(t, kind, ready[name].Kind, name)
		require.NotEmpty(t, ready[name].Why)
	}
	require.Equal(t, dir+"/greet.sh", ready["greet"].Path)
	require.Equal(t, []string{"echo.wasm", "executable.py", "greet.sh", "link", "other", "script.py", "server.py"}, plugin.Names(dir))
	require.True(t, plugin.Has(dir, "greet"))
	require.False(t, plugin.Has(dir, "gree"))
}

// Data beside plugins may be of any size: it is not read.
func TestDataIsNotRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"data.db", "data.py"} {
		write(t, dir+"/"+name, "data\n", 0o644)
		require.NoError(t, os.Truncate(dir+"/"+name, 1<<40))
	}
	require.Empty(t, plugin.Names(dir))
	_, errs := plugin.Prepare(t.Context(), dir, wanted("data.db"), frameworktest.NewLog().Logger())
	require.ErrorContains(t, errs["data.db"], "data.db is not executable; if it is a program, run: chmod +x ")
}

func TestNameThatMeansTwoPlugins(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"upper", "upper.sh", "lower.awk", "lower.sh", "lower.sh~", "once.sh"} {
		write(t, dir+"/"+name, "#!/bin/sh\n", 0o755)
	}
	for _, name := range []string{"once.txt", "once.go"} {
		write(t, dir+"/"+name, "", 0o644)
	}
	ready, errs := plugin.Prepare(t.Context(), dir, wanted("upper", "upper.sh", "lower", "once"), frameworktest.NewLog().Logger())
	require.Len(t, errs, 2)
	require.ErrorContains(t, errs["upper"], `plugin "upper": it may be any of upper and upper.sh in `+dir)
	require.ErrorContains(t, errs["lower"], `plugin "lower": it may be any of lower.awk and lower.sh in `+dir)
	require.Equal(t, dir+"/upper.sh", ready["upper.sh"].Path)
	require.Equal(t, dir+"/once.sh", ready["once"].Path)
}

// What the system would not run is found before it is tried, with the reason.
func TestScriptThatCannotRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir+"/windows", "#!/bin/sh\r\necho hello\r\n", 0o755)
	write(t, dir+"/without", "echo hello\n", 0o755)
	write(t, dir+"/marked", "\xef\xbb\xbf#!/bin/sh\necho hello\n", 0o755)
	write(t, dir+"/nothing", "#!\necho hello\n", 0o755)
	write(t, dir+"/missing", "#!/nonexistent/sh\n", 0o755)
	write(t, dir+"/plain.sh", "#!/bin/sh\n", 0o644)
	write(t, dir+"/python.py", "#!/usr/bin/python5\nimport socketserver\n", 0o644)
	write(t, dir+"/env", "#!/usr/bin/env nosuch\n", 0o755)
	write(t, dir+"/split", "#!/usr/bin/env -S A=b nosuch -x\n", 0o755)
	write(t, dir+"/python env.py", "#!/usr/bin/env python3.nosuch\nimport socketserver\n", 0o644)
	all := wanted("windows", "without", "marked", "nothing", "missing", "plain", "python", "env", "split", "python env")
	write(t, dir+"/object", "\x7fELF\x02\x01\x01"+strings.Repeat("\x00", 9)+"\x01\x00>\x00"+strings.Repeat("\x00", 100), 0o755)
	write(t, dir+"/garbage", "\x7fELFgarbage", 0o755)
	all["object"], all["garbage"] = plugin.Definition{}, plugin.Definition{}
	all["absent"] = plugin.Definition{Path: "/nonexistent/program"}
	all["bare"] = plugin.Definition{Path: dir + "/sh", Command: "sh"}
	all["nowhere"] = plugin.Definition{Path: dir + "/nosuch", Command: "nosuch"}
	sh, err := exec.LookPath("sh")
	require.NoError(t, err)
	_, errs := plugin.Prepare(t.Context(), dir, all, frameworktest.NewLog().Logger())
	for name, want := range map[string]string{
		"windows":    `its interpreter is "/bin/sh\r", which does not exist; run: sed -i 's/\r$//' ` + dir + `/windows`,
		"object":     "is an object file, and no program; link it",
		"garbage":    "begins as a program and ends after 11 bytes (exec format error); build or copy it again",
		"without":    "(exec format error); begin it with #!/bin/sh",
		"marked":     `begins with a byte order mark in place of #! (exec format error); run: sed -i '1s/^\xEF\xBB\xBF//' ` + dir + `/marked`,
		"nothing":    "names no interpreter",
		"missing":    "is a script for /nonexistent/sh, which is not installed",
		"python":     "is a script for /usr/bin/python5, which is not installed",
		"env":        "is a script for nosuch, which is not installed",
		"split":      "is a script for nosuch, which is not installed",
		"python env": "is a script for python3.nosuch, which is not installed",
		"bare":       fmt.Sprintf("there is no %s/sh; a path is relative to the file that names it, and is not looked for in PATH; write %q", dir, sh),
		"nowhere":    "/nosuch; a path is relative to the file that names it, and is not looked for in PATH",
		"plain":      "plain.sh is not executable; if it is a program, run: chmod +x ",
		"absent":     "there is no /nonexistent/program; a path is relative to the file that names it",
	} {
		require.ErrorContains(t, errs[name], want)
	}
	write(t, dir+"/found", "#!/usr/bin/env -S A=b sh -e\n", 0o755)
	write(t, dir+"/unsure", "#!/usr/bin/env -i nosuch\n", 0o755)
	write(t, dir+"/old.py", "#!/nonexistent/python\nimport socketserver\n", 0o644)
	more := wanted("found", "unsure", "old")
	more["path"] = plugin.Definition{Path: dir + "/env", Environment: []string{"PATH=/opt/bin"}}
	_, errs = plugin.Prepare(t.Context(), dir, more, frameworktest.NewLog().Logger())
	require.Empty(t, errs)
}
