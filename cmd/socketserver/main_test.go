package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/go-socketserver/socketserver/handlers"
)

// The test binary is the command itself, also as the worker that it forks, so that the
// scripts and tests start real processes without building anything first.
func TestMain(m *testing.M) {
	handlers.ServeWorker()
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	testscript.Main(m, map[string]func(){
		"socketserver": main,
		"nc":           netcat,
	})
}
