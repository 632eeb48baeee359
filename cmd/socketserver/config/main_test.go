package config_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
)

// handlers is a catalog of a few, which serve nothing here.
type handlers map[string]map[string]framework.Constructor

func (handlers) Prepare(*config.Config) {}

func (h handlers) Names(kind string) (names []string) {
	for name := range h[kind] {
		names = append(names, name)
	}
	return names
}

func (h handlers) Class(s *config.Server) (*framework.HandlerClass, error) {
	c, ok := h[s.Handler.Kind][s.Handler.Name]
	if !ok {
		return nil, fmt.Errorf("it does not build")
	}
	return c.Class(s.Handler.Options)
}

type greeting struct {
	Greeting string   `json:"greeting"`
	Requests int      `json:"requests"`
	Tags     []string `json:"tags"`
}

type stream struct{ framework.StreamRequestHandler }

func (*stream) Handle(*bufio.Reader, io.Writer) error { return nil }

// kept makes a class that keeps its process.
func kept(class *framework.HandlerClass) framework.Constructor {
	return framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
		class.Executor, class.Program = framework.InWorker(nil), &framework.Program{}
		return class, nil
	})
}

var catalog = handlers{
	"handler": {
		"echo": framework.Func(func(*bufio.Reader, io.Writer) error { return nil }),
		"greet": framework.Define(greeting{}, func(g greeting) (*framework.HandlerClass, error) {
			if g.Requests < 0 {
				return nil, &framework.OptionError{Option: "requests", Problem: "is negative; write 0 for no limit"}
			}
			return &framework.HandlerClass{New: func() framework.Handler { return &stream{} }}, nil
		}),
		"count": framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
			return &framework.HandlerClass{New: func() framework.Handler { return &stream{} }, UsesState: true}, nil
		}),
		"room": framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
			return &framework.HandlerClass{New: func() framework.Handler { return &stream{} }, Stateful: "its members"}, nil
		}),
	},
	"plugin": {
		"shout": framework.Func(func(*bufio.Reader, io.Writer) error { return nil }),
		"room":  kept(&framework.HandlerClass{Stateful: "its members"}),
		"go":    kept(&framework.HandlerClass{}),
		"forks": kept(&framework.HandlerClass{Isolates: true}),
	},
}

func parse(t *testing.T, src string) *config.Config {
	t.Helper()
	c, err := config.Parse("servers.hcl", []byte(src), catalog)
	require.NoError(t, err)
	return c
}

// problems are the errors of src, each with its line and without its source.
func problems(t *testing.T, src string) []string {
	t.Helper()
	_, err := config.Parse("servers.hcl", []byte(src), catalog)
	return linesOf(t, err)
}

func linesOf(t *testing.T, err error) []string {
	t.Helper()
	var all *config.Errors
	require.ErrorAs(t, err, &all)
	var lines []string
	for _, e := range all.List {
		line := e.Message
		if e.Next != "" {
			line += "; " + e.Next
		}
		if e.Line > 0 {
			line = fmt.Sprintf("%d:%d: %s", e.Line, e.Column, line)
		}
		lines = append(lines, line)
	}
	return lines
}

// server is a server block around what a test is about. It begins in the first line.
func server(body string) string { return "server \"s\" {\n" + body + "\n}\n" }

const (
	tcp       = "transport \"tcp\" { address = \"localhost:9000\" }\n"
	threading = "concurrency \"threading\" {}\n"
	echo      = "handler \"echo\" {}\n"
)

// tree makes a directory of files.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

// report is what a user reads.
func report(err error) string { return strings.TrimRight(err.Error(), "\n") }
