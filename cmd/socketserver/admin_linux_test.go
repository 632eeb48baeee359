package main

import (
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/admin"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// docs/admin.md has the fields of every answer, and no others.
func TestFieldsOfAnswers(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, 1)
	config := withVersioned(dir, `"threading" {}`, "", "") + timestamps(`"forking" {}`, "", "limits {\n per_source = 1\n when_full = \"refuse\"\n}")
	r := reloadable(t, config)
	fields := map[string]map[string]bool{}
	collect := func(answer string, value any) {
		if fields[answer] == nil {
			fields[answer] = map[string]bool{}
		}
		addFields(fields[answer], "", value)
	}
	ask := func(answer, method, what string, body any) {
		t.Helper()
		var value any
		require.NoError(t, admin.Do(t.Context(), r.socket, method, what, body, &value))
		collect(answer, value)
	}
	first, ready := make(chan struct{}), make(chan struct{})
	followed := make(chan error, 1)
	go func() {
		seen := map[string]bool{}
		followed <- admin.Follow(t.Context(), r.socket, "/v1/events", func(frame map[string]any) error {
			for _, e := range frame["events"].([]any) {
				seen[e.(map[string]any)["kind"].(string)] = true
			}
			select {
			case <-first:
			default:
				close(first)
			}
			delete(frame, "status")
			frame["status"] = nil
			collect("events", frame)
			if seen["accepted"] && seen["started"] && seen["ended"] {
				close(ready)
				return io.EOF
			}
			return nil
		})
	}()
	frameworktest.Await(t, first)
	require.Equal(t, "hello", askOnce(t, r.listeners[1], "hello"))
	frameworktest.Await(t, ready)
	require.ErrorIs(t, <-followed, io.EOF)
	conn := dial(t, r.listeners[1])
	require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
	ask("status", http.MethodGet, "/v1/status", nil)
	ask("requests", http.MethodGet, "/v1/requests", nil)
	requireEnd(t, dial(t, r.listeners[1]))
	ask("sources", http.MethodGet, "/v1/sources", nil)
	ask("level", http.MethodPut, "/v1/log-level", levelRequest{Level: "warn"})
	r.write(t, strings.Replace(config, `"forking" {}`, `"threading" {}`, 1))
	ask("plan", http.MethodPost, "/v1/reload", reloadRequest{DryRun: true})
	documented := documentedFields(t)
	for answer, names := range fields {
		require.Equal(t, documented[answer], slices.Sorted(maps.Keys(names)), answer)
	}
	require.Len(t, documented, len(fields))
}

// addFields adds the paths of the fields in value. The keys of "refused" are data.
func addFields(fields map[string]bool, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		if strings.HasSuffix(path, ".refused") {
			break
		}
		for name, inner := range v {
			addFields(fields, strings.TrimPrefix(path+"."+name, "."), inner)
		}
		return
	case []any:
		for _, inner := range v {
			addFields(fields, path+"[]", inner)
		}
		return
	case nil:
		if path != "status" {
			return // an object that there is not
		}
	}
	fields[path] = true
}

// documentedFields are those of docs/admin.md by answer, sorted.
func documentedFields(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/admin.md")
	require.NoError(t, err)
	_, answers, found := strings.Cut(string(text), "## The answers")
	require.True(t, found)
	fields := map[string][]string{}
	for _, section := range strings.Split(answers, "\n### ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		for line := range strings.Lines(body) {
			if cells := strings.Split(line, "|"); len(cells) > 1 {
				for _, field := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
					fields[name] = append(fields[name], field[1])
				}
			}
		}
		slices.Sort(fields[name])
	}
	return fields
}

// A command without a daemon says what to do.
func TestCommandsWithoutADaemon(t *testing.T) {
	r := &reloader{socket: "/nonexistent/admin.sock"}
	for _, args := range [][]string{{"status"}, {"ps"}, {"kill", "1"}, {"events"}, {"top", "--once"}, {"drain", "s"}, {"stop"}, {"log-level", "debug"}, {"plugin", "reset", "p"}} {
		require.Contains(t, r.refuse(t, args...), "no socketserver answers at /nonexistent/admin.sock; start one", args)
	}
}

// Without a directory for the default there is no admin socket, which both sides say.
func TestNoPlaceForAdminSocket(t *testing.T) {
	t.Parallel()
	without := []string{"PATH=" + os.Getenv("PATH")}
	c := exec.Command("socketserver", "serve", "--log-format", "json", "--listen", "tcp://127.0.0.1:0", "--handler", "echo")
	c.Env = without
	p := start(t, t.TempDir(), c)
	warned := p.await(t, "there is no admin socket, as neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set")
	require.Contains(t, warned["next"], "write admin { socket = ")
	status := exec.Command("socketserver", "status")
	status.Env = without
	out, err := status.CombinedOutput()
	require.Equal(t, exitFailed, exitCode(err))
	require.Contains(t, string(out), "name the daemon's socket with --admin: the daemon has one if its configuration says admin { socket = ")
}
