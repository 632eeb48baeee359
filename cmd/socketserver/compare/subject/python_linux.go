package subject

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap/experiment"
)

// peer is a program that serves with CPython's socketserver, with counterparts of some handlers.
//
//go:embed peer.py
var peer string

// A Python is an interpreter.
type Python struct {
	Path    string // of the interpreter itself, not of a wrapper
	Version string // as in 3.11.7
}

// FindPython finds python3 in PATH, once.
var FindPython = sync.OnceValues(findPython)

func findPython() (Python, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	const script = "import sys, platform; print(sys.executable); print(platform.python_version())"
	command := exec.CommandContext(ctx, "python3", "-I", "-c", script)
	// A wrapper that chooses an interpreter may leave processes behind.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	output, err := command.Output()
	if command.Process != nil {
		left := tree{session: command.Process.Pid}
		left.kill()
	}
	if errors.Is(err, exec.ErrNotFound) {
		return Python{}, errors.New("there is no python3; install it, or leave the peers out")
	}
	lines := strings.Fields(string(output))
	if err == nil && len(lines) != 2 {
		err = errors.New("it printed no path")
	}
	if err != nil {
		return Python{}, fmt.Errorf("find the path of python3: %w", err)
	}
	return Python{Path: lines[0], Version: lines[1]}, nil
}

// counterparts are the handlers of the peer, their options, and the values it supports; nil: all.
var counterparts = map[string]map[string][]any{
	"echo":          {"framing": nil},
	"timestamp":     {"framing": nil, "requests": nil, "format": nil, "layout": {time.ANSIC}, "quit": {"off"}},
	experiment.Name: {},
}

// checkPeer reports what in s has no counterpart in CPython.
func (s *Spec) checkPeer() error {
	c := s.Server.Concurrency
	if !slices.Contains([]string{"synchronous", "threading", "forking"}, c.Kind) {
		return fmt.Errorf("no Python counterpart of %s", c.Kind)
	}
	h := s.Server.Handler
	known, ok := counterparts[h.Name]
	if !ok || h.Kind == "plugin" {
		return fmt.Errorf("no Python counterpart of %s %q", h.Kind, h.Name)
	}
	var options map[string]any
	if len(h.Options) > 0 {
		if err := json.Unmarshal(h.Options, &options); err != nil {
			return fmt.Errorf("read options: %w", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		values, ok := known[name]
		if !ok || values != nil && !slices.Contains(values, options[name]) {
			return fmt.Errorf("no Python counterpart of %s = %v", name, options[name])
		}
	}
	return nil
}
