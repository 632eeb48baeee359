package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// ownPlugins are those that the test binary can be, by the names that their programs have. Files of tests that
// build on one system alone add theirs.
var ownPlugins = map[string]func(){}

// The test binary is the command itself, also as the worker that it forks and as a plugin,
// so that the scripts and tests start real processes without building anything first.
func TestMain(m *testing.M) {
	for name, plugin := range ownPlugins {
		if strings.HasPrefix(os.Getenv("SOCKETSERVER_WORKER"), name) { // a process of that plugin
			plugin()
		}
	}
	becomeWorker()
	commands := map[string]func(){
		"socketserver": main,
		"nc":           netcat,
		"talkative":    talkative,
		"typing":       func() { os.Exit(typing()) },
	}
	maps.Copy(commands, ownPlugins)
	testscript.Main(tests{m}, commands)
}

// tests run in an environment in which nothing is left behind.
type tests struct{ *testing.M }

func (m tests) Run() int {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // every child would sleep a second
	// What is built for a test goes with it; Go's own cache stays, or all would take minutes.
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		panic(err)
	}
	os.Setenv("GOCACHE", strings.TrimSpace(string(cache)))
	dir, err := os.MkdirTemp("", "socketserver-test")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	os.Setenv("XDG_CACHE_HOME", dir)
	os.Setenv("XDG_RUNTIME_DIR", dir) // a server of the same name may have its operator there
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		if err := hasten(dir); err != nil {
			panic(err)
		}
	}
	return m.M.Run()
}

// hasten has commands that print something and end run without the race detector, which takes longer
// to start than they do. What serves or converses keeps it.
func hasten(dir string) error {
	command, err := exec.LookPath("socketserver")
	if err != nil {
		return err
	}
	plain, race := filepath.Join(dir, "plain", "socketserver"), filepath.Join(dir, "race", "socketserver")
	if err := os.Mkdir(filepath.Dir(race), 0o700); err != nil {
		return err
	}
	if out, err := exec.Command("go", "build", "-race=false", "-o", plain, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if err := os.Rename(command, race); err != nil {
		return err
	}
	return os.WriteFile(command, fmt.Appendf(nil, `#!/bin/sh
case $1 in
compare | fmt | handlers | import | init | man | plugin | validate | version | status | ps | reload | suspend | resume | drain | stop | start | restart | upgrade | kill | log-level) exec %s "$@" ;;
esac
exec %s "$@"
`, plain, race), 0o700)
}

// often returns n where the long tests are asked for, and else few.
func often(few, n int) int {
	if os.Getenv("SOCKETSERVER_LONG_TESTS") != "" {
		return n
	}
	return few
}
