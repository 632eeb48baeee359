package plugin

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/internal/process"
)

// pythonFiles are the parts of the worker that serves a Python script.
//
//go:embed python/*.py
var pythonFiles embed.FS

// pythonRunner returns the program of the worker. It passes as an argument, so that an installed
// server needs no file of it.
var pythonRunner = sync.OnceValue(func() string {
	var source strings.Builder
	for _, name := range []string{"channel", "request", "listener", "state", "runner"} {
		part, err := pythonFiles.ReadFile("python/" + name + ".py")
		if err != nil {
			panic(err) // it is embedded
		}
		source.Write(part)
	}
	return source.String()
})

func openPython(ctx context.Context, s Settings) (*framework.HandlerClass, error) {
	if err := s.interpret(ctx); err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	return openWorker(ctx, s)
}

func describePython(ctx context.Context, s Settings) (*Description, error) {
	if err := s.interpret(ctx); err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	return describeWorker(ctx, s)
}

// interpret makes s those of the interpreter of its script, which runs pythonRunner.
func (s *Settings) interpret(ctx context.Context) error {
	script, err := filepath.Abs(s.Path)
	if err != nil {
		return err
	}
	text := cmp.Or(s.sealed, script)
	interpreter, err := interpreterOf(ctx, text, filepath.Dir(script))
	if err != nil {
		return err
	}
	if s.sealed == "" {
		s.script = script
	}
	s.Path, s.sealed, s.Command = interpreter, "", interpreter // it finds its library by its name
	s.Args = slices.Concat([]string{"-I", "-u", "-c", pythonRunner(), script, text}, s.Args)
	s.WorkingDirectory = cmp.Or(s.WorkingDirectory, filepath.Dir(script))
	s.Sandbox = withPaths(s.Sandbox, []string{script}, nil)
	return nil
}

// Interpreter returns the path of the Python 3 that a script is for: that of its #! line, or else
// python3 of the PATH. What is a script itself, such as a shim of pyenv, is asked for what it runs.
func Interpreter(ctx context.Context, script string) (string, error) {
	return interpreterOf(ctx, script, filepath.Dir(script))
}

// interpreterOf is Interpreter for a script that belongs in that directory.
func interpreterOf(ctx context.Context, script, directory string) (string, error) {
	line, err := firstLine(script)
	if err != nil {
		return "", err
	}
	name := "python3"
	if line, ok := strings.CutPrefix(line, "#!"); ok {
		for _, word := range strings.Fields(line) {
			if strings.HasPrefix(filepath.Base(word), "python3") {
				name = word
			}
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("it is a Python script, and %s is not installed: %w", name, errors.Unwrap(err))
	}
	if line, err = firstLine(path); err != nil || !strings.HasPrefix(line, "#!") {
		return path, err
	}
	if known, ok := shims.Load(path); ok {
		return known.(string), nil
	}
	ask := exec.CommandContext(ctx, path, "-I", "-c", "import sys; print(sys.executable)")
	ask.Env, ask.Dir = process.Environment(), directory
	out, err := ask.Output()
	if err != nil {
		return "", fmt.Errorf("ask %s which interpreter it is: %w", path, err)
	}
	interpreter := strings.TrimSpace(string(out))
	shims.Store(path, interpreter)
	return interpreter, nil
}

// shims are the interpreters that scripts in their place run, by the path of the script.
var shims sync.Map

// firstLine returns the first line of a file that begins with one, or less of another.
func firstLine(path string) (string, error) {
	head, err := headOf(path)
	line, _, _ := strings.Cut(string(head), "\n")
	return line, err
}
