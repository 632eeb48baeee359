package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The test binary is the command itself, also as the worker that it forks and as a plugin,
// so that the scripts and tests start real processes without building anything first.
func TestMain(m *testing.M) {
	for name, plugin := range map[string]func(){"leaver": leaver, "versioned": versioned} {
		if strings.HasPrefix(os.Getenv("SOCKETSERVER_WORKER"), name) { // a process of that plugin
			plugin()
		}
	}
	becomeWorker()
	testscript.Main(tests{m}, map[string]func(){
		"socketserver": main,
		"nc":           netcat,
		"talkative":    talkative,
		"typing":       func() { os.Exit(typing()) },
		"leaver":       leaver,
		"versioned":    versioned,
	})
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
	return m.M.Run()
}
