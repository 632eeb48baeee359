package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// A fence is a fenced block of a Markdown file.
type fence struct {
	language string
	text     string
	line     int
}

func fences(t *testing.T, file string) []fence {
	t.Helper()
	src, err := os.ReadFile(file)
	require.NoError(t, err)
	var all []fence
	var open *fence
	for i, line := range strings.SplitAfter(string(src), "\n") {
		switch {
		case strings.HasPrefix(line, "```") && open == nil:
			open = &fence{language: strings.TrimSpace(line[3:]), line: i + 1}
		case strings.HasPrefix(line, "```"):
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	require.Nil(t, open, "%s: a block is not closed", file)
	return all
}

// A step is a command of a transcript and what it prints.
type step struct{ command, output string }

func steps(text string) []step {
	var all []step
	for _, line := range strings.SplitAfter(text, "\n") {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			all = append(all, step{command: strings.TrimSpace(command)})
		} else if len(all) > 0 {
			all[len(all)-1].output += line
		}
	}
	return all
}

// source copies what is committed of this module, so that what the README has a reader
// write does not end up here.
func source(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "socketserver")
	copyTree := exec.Command("sh", "-c", `mkdir "$2" && cd "$1" && tar -cf - --exclude=.git . | tar -xf - -C "$2"`, "sh", root, dir)
	out, err := copyTree.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

// TestReadme runs every command and every configuration that the README shows, on the
// ports of the shipped servers.hcl. It is the only test that needs fixed ports.
func TestReadme(t *testing.T) {
	dir := source(t)
	start(t, dir, exec.Command("socketserver", "serve", "--log-format", "json")).awaitListening(t, 9*families())
	for _, f := range fences(t, filepath.Join(dir, "README.md")) {
		t.Run(fmt.Sprintf("line %d", f.line), func(t *testing.T) {
			switch f.language {
			case "sh":
				require.Contains(t, f.text, "go run ./cmd/socketserver serve")
				require.Contains(t, f.text, "go test -race ./...")
			case "console":
				transcript(t, dir, f)
			case "hcl":
				_, err := config.Parse("README.md", []byte(f.text), newTestCatalog(t))
				require.NoError(t, err)
			case "go":
				goBlock(t, dir, f)
			default:
				t.Fatalf("nothing checks a block of %q", f.language)
			}
		})
	}
}

// families is how many of IPv4 and IPv6 this machine has.
func families() int {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return 1
	}
	l.Close()
	return 2
}

// newTestCatalog knows the compiled-in handlers and takes any plugin on trust.
func newTestCatalog(t *testing.T) *catalog {
	c := newCatalog(t.Context(), logFlags{})
	c.skipPlugins = true
	return c
}

// goBlock saves the plugin where the README says, and compiles the rest.
func goBlock(t *testing.T, dir string, f fence) {
	if strings.HasPrefix(f.text, "package main") {
		plugin := filepath.Join(dir, "plugins", "upper")
		require.NoError(t, os.MkdirAll(plugin, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(plugin, "main.go"), []byte(f.text), 0o644))
		return
	}
	program := filepath.Join(dir, "cmd", "readme")
	require.NoError(t, os.MkdirAll(program, 0o755))
	text := `package main

import (
	"log"

	"github.com/go-socketserver/socketserver/framework"
	greet "github.com/go-socketserver/socketserver/handlers/echo"
)

` + f.text
	require.NoError(t, os.WriteFile(filepath.Join(program, "main.go"), []byte(text), 0o644))
	build := exec.Command("go", "build", "-o", os.DevNull, "./cmd/readme")
	build.Dir = dir
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// transcript runs the commands of a block. One that ends in & goes on in the background.
func transcript(t *testing.T, dir string, f fence) {
	for _, s := range steps(f.text) {
		if command, ok := strings.CutSuffix(s.command, " &"); ok {
			background := exec.Command("sh", "-c", "exec "+command+" --log-format json")
			start(t, dir, background).awaitListening(t, families())
			continue
		}
		command := exec.Command("sh", "-c", s.command)
		command.Dir = dir
		out, err := command.CombinedOutput()
		if strings.Contains(s.command, "treading") {
			require.Error(t, err)
		} else {
			require.NoError(t, err, "%s\n%s", s.command, out)
		}
		// Not every answer ends with a newline; a terminal shows its prompt behind it then.
		require.Equal(t, undated(s.output), undated(strings.TrimSuffix(string(out), "\n")+"\n"), "%s", s.command)
	}
}

var date = regexp.MustCompile(`[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}`)

func undated(text string) string { return date.ReplaceAllString(text, "DATE") }

// A process is a socketserver that runs beside a test, with its log as JSON.
type process struct {
	*exec.Cmd
	events chan event
	ended  chan error
}

// An event is a line of the log.
type event map[string]any

// start starts a socketserver and ends it with the test.
func start(t *testing.T, dir string, command *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: command, events: make(chan event, 1000), ended: make(chan error, 1)}
	p.Dir = dir
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := p.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	go p.read(stderr)
	t.Cleanup(func() {
		_ = p.Process.Signal(os.Interrupt)
		select {
		case <-p.ended:
		case <-time.After(30 * time.Second):
			_ = p.Process.Kill()
			t.Error("the server did not stop")
		}
	})
	return p
}

func (p *process) read(stderr io.Reader) {
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		e := event{}
		if json.Unmarshal(bytes.TrimSpace(lines.Bytes()), &e) != nil {
			e["@message"] = lines.Text()
		}
		select {
		case p.events <- e:
		default: // nobody reads that many
		}
	}
	close(p.events)
	p.ended <- p.Wait()
}

// await returns the first event with a message.
func (p *process) await(t *testing.T, message string) event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var seen []event
	for {
		select {
		case e, ok := <-p.events:
			if !ok {
				t.Fatalf("the server ended without saying %q; it said %v", message, seen)
			}
			if e["@message"] == message {
				return e
			}
			seen = append(seen, e)
		case <-ctx.Done():
			t.Fatalf("the server did not say %q; it said %v", message, seen)
		}
	}
}

// awaitListening waits for n listeners and returns the addresses, network://address.
func (p *process) awaitListening(t *testing.T, n int) []string {
	t.Helper()
	var addresses []string
	for range n {
		e := p.await(t, "listening")
		addresses = append(addresses, fmt.Sprintf("%v://%v", e["network"], e["address"]))
	}
	return addresses
}
