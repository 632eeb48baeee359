package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

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

// TestGuide has the guide's plugins built and talks to them.
func TestGuide(t *testing.T) {
	if inOwnNetwork(t) {
		return
	}
	dir := source(t)
	guide(t, dir, "docs/handlers.md")
	guide(t, dir, "docs/stdio.md")
	guide(t, dir, "docs/c.md")
}

// TestPythonGuide has the scripts of those pages answer.
func TestPythonGuide(t *testing.T) {
	if inOwnNetwork(t) {
		return
	}
	dir := source(t)
	guide(t, dir, "docs/python.md")
	guide(t, dir, "docs/mcp.md")
	lesson(t, dir)
}

// guide runs every command, program and configuration that a page shows, in a copy of the
// source. For the README the shipped servers run.
func guide(t *testing.T, dir, page string) {
	for _, f := range fences(t, filepath.Join(dir, page)) {
		t.Run(fmt.Sprintf("line %d", f.line), func(t *testing.T) {
			switch f.language {
			case "sh":
				if strings.HasPrefix(f.text, "socketserver compare") {
					comparisons(t, dir, f)
					return
				}
				require.Contains(t, f.text, "go run ./cmd/socketserver serve")
				require.Contains(t, f.text, "go test -race -timeout 30m ./...")
			case "console":
				transcript(t, dir, f)
			case "hcl":
				_, err := config.Parse(page, []byte(f.text), newTestCatalog(t))
				require.NoError(t, err)
				if name, named := f.file("# "); named {
					require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(f.text), 0o644))
				}
			case "go":
				goBlock(t, dir, f)
			case "json":
				require.True(t, json.Valid([]byte(f.text)))
			case "c":
				name, named := f.file("// ")
				require.True(t, named)
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(f.text), 0o644))
			case "bash", "awk", "python":
				scriptBlock(t, dir, f)
			default:
				t.Fatalf("nothing checks a block of %q", f.language)
			}
		})
	}
}

// replayPage holds the conversations that a page shows with the shipped servers.
func replayPage(t *testing.T, dir, page string) {
	for _, f := range fences(t, filepath.Join(dir, page)) {
		if f.language == "text" {
			t.Run(fmt.Sprintf("line %d", f.line), func(t *testing.T) { replay(t, f) })
		}
	}
}

// lesson tries what the lesson does in a moment, and has the command parse the rest.
func lesson(t *testing.T, dir string) {
	const page = "../../docs/lesson.md"
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "plugins"), 0o755))
	for _, f := range fences(t, page) {
		name, _ := f.file("# ")
		switch f.language {
		case "python":
			scriptBlock(t, dir, f)
		case "hcl":
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(f.text), 0o644))
		case "console":
			if often(0, 1) == 1 { // it compares, with mishaps
				transcript(t, dir, f)
			}
		case "sh":
			for line := range strings.Lines(f.text) {
				if line, _, _ = strings.Cut(line, "#"); strings.HasPrefix(line, "socketserver ") {
					out, err := exec.Command("sh", "-c", strings.TrimSpace(line)+" --help").CombinedOutput()
					require.NoError(t, err, "%s%s", line, out)
				}
			}
		}
	}
}

// newTestCatalog knows the compiled-in handlers and takes any plugin on trust.
func newTestCatalog(t *testing.T) *catalog {
	c := newCatalog(t.Context(), logFlags{})
	c.skipPlugins = true
	return c
}

// file is the name in a comment in the first line.
func (f fence) file(comment string) (string, bool) {
	first, _, _ := strings.Cut(f.text, "\n")
	return strings.CutPrefix(first, comment)
}

// scriptBlock saves a script where its second line says, below the one that names its interpreter.
func scriptBlock(t *testing.T, dir string, f fence) {
	_, rest, _ := strings.Cut(f.text, "\n")
	name, named := fence{text: rest}.file("# ")
	require.True(t, named)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(f.text), 0o755))
}

// goBlock saves a program or a test where the page says, runs a test, and compiles what is no plugin.
func goBlock(t *testing.T, dir string, f fence) {
	name, named := f.file("// ")
	if !named {
		name = "plugins/upper/main.go" // the README's
	}
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(f.text), 0o644))
	switch {
	case strings.HasSuffix(path, "_test.go"):
		goCommand(t, filepath.Dir(path), "test", ".")
	case strings.HasPrefix(name, "cmd/"):
		goCommand(t, filepath.Dir(path), "build", "-o", os.DevNull, ".")
	}
}

// goCommand runs the go command in dir.
func goCommand(t *testing.T, dir string, args ...string) {
	t.Helper()
	command := exec.Command("go", args...)
	command.Dir = dir
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// complaint is what a command says that fails, beginning with the place.
var complaint = regexp.MustCompile(`^(--[a-z]+ [^\n]*|[a-z]+\.hcl:\d+:\d+): `)

// transcript runs the commands of a block. One that ends in & goes on in the background.
func transcript(t *testing.T, dir string, f fence) {
	for _, s := range steps(f.text) {
		if command, ok := strings.CutSuffix(s.command, " &"); ok {
			background := exec.Command("sh", "-c", "exec "+command+" --log-format json")
			start(t, dir, background).awaitListening(t)
			continue
		}
		command := exec.Command("sh", "-c", s.command)
		command.Dir = dir
		out, err := command.CombinedOutput()
		if complaint.MatchString(s.output) {
			require.Error(t, err)
		} else {
			require.NoError(t, err, "%s\n%s", s.command, out)
		}
		// Not every answer ends with a newline; a terminal shows its prompt behind it then.
		if len(out) > 0 && !bytes.HasSuffix(out, []byte("\n")) {
			out = append(out, '\n')
		}
		require.Equal(t, undated(s.output), undated(string(out)), "%s", s.command)
	}
}

// comparisons runs those of a block, each for a moment.
func comparisons(t *testing.T, dir string, f fence) {
	for line := range strings.Lines(f.text) {
		line, _, _ = strings.Cut(line, "#")
		line, _, _ = strings.Cut(line, ">")
		command := exec.Command("sh", "-c", line+" -q --strategies threading --clients 1 --rounds 3 --duration 150ms --mishaps=false")
		command.Dir = dir
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s\n%s", line, out)
		require.Contains(t, string(out), "threading")
	}
}

// replay holds a conversation with the running servers: it runs the commands, sends the lines and
// requires the answers. After a goodbye the client ends by itself.
func replay(t *testing.T, f fence) {
	var room *person
	if strings.Contains(f.text, "--port 21568\n") {
		room = witness(t, "21568")
	}
	people := map[string]*person{}
	for line := range strings.Lines(general(f.text)) {
		words := strings.Fields(line)
		who, said := words[0], strings.TrimSpace(strings.SplitN(line, " "+words[1], 2)[1])
		switch {
		case words[1] == ">":
			people[who].says(t, said)
		case words[1] == "<":
			people[who].hearsLine(t, said)
			if said == "-- goodbye" {
				require.Zero(t, people[who].ends(t))
				delete(people, who)
			}
		case said == "^D":
			require.Zero(t, people[who].leaves(t))
			delete(people, who)
		default:
			people[who] = sit(t, exec.Command("sh", "-c", "exec "+said), look{})
			if room != nil {
				room.hears(t, welcome)
			}
		}
	}
	require.Empty(t, people, "a client stays")
}

var date = regexp.MustCompile(`[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}`)

func undated(text string) string { return date.ReplaceAllString(text, "DATE") }
