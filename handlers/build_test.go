package handlers

import (
	"io/fs"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

const module = "github.com/go-socketserver/socketserver/"

// list returns what go list prints, one line for every package that the worker links.
func list(t *testing.T, format string) []string {
	t.Helper()
	output, err := exec.Command("go", "list", "-deps", "-f", format, "../cmd/socketserver-worker").Output()
	require.NoError(t, err)
	return strings.Fields(string(output))
}

// A handler that is added changes the build, whatever its files are called and for whatever
// system they are. Tests change nothing.
func TestBuildIsOfAllFiles(t *testing.T) {
	var missing []string
	for _, file := range list(t, `{{$at := .ImportPath}}{{range .GoFiles}}{{$at}}/{{.}} {{end}}{{range .IgnoredGoFiles}}{{$at}}/{{.}} {{end}}`) {
		within, ok := strings.CutPrefix(file, module+"handlers/")
		if !ok || strings.HasSuffix(file, "_test.go") {
			continue
		}
		if _, err := fs.Stat(sourceFiles, within); err != nil {
			missing = append(missing, within)
		}
	}
	require.Empty(t, missing, "add a pattern for them in build.go")
	require.NoError(t, fs.WalkDir(sourceFiles, ".", func(path string, _ fs.DirEntry, err error) error {
		require.False(t, strings.HasSuffix(path, "_test.go"), path)
		return err
	}))
}

func TestBuild(t *testing.T) {
	require.Equal(t, framework.Build(), Build(), "ServeWorker sets it")
	require.NotEqual(t, framework.Fingerprint(), Build())
}

// What the worker links decides how long it takes to start, which is part of every request
// under forking: most of these cost more than all the rest of it.
func TestWorkerImports(t *testing.T) {
	forbidden := map[string]string{
		"google.golang.org/grpc":         "the worker is handed sockets and needs no calls; grpc doubles its start",
		"github.com/hashicorp/go-plugin": "plugins are run by the command; go-plugin takes grpc along",
		"github.com/hashicorp/hcl":       "the configuration is evaluated once, by the command, and passed on as JSON",
		"github.com/zclconf/go-cty":      "as hcl",
		"github.com/spf13/cobra":         "the worker has no command line",
		"github.com/nats-io":             "the bus is linked by what runs the chat handler with one",
		"github.com/stretchr/testify":    "frameworktest is for tests",
		"github.com/tetratelabs/wazero":  "modules are run by workers that are the command",
		"net/http":                       "its start takes a tenth of a millisecond",
		module + "framework/plugin":      "as go-plugin",
		module + "cmd/socketserver/":     "the command links everything",
	}
	allowed := []string{
		module + "framework", module + "handlers", module + "internal", module + "cmd/socketserver-worker",
		"golang.org/x/time/rate", "golang.org/x/text", // chat's rate and names
		// What hclog needs.
		"github.com/hashicorp/go-hclog", "github.com/fatih/color",
		"github.com/mattn/go-colorable", "github.com/mattn/go-isatty", "golang.org/x/sys",
	}
	within := func(path, tree string) bool {
		return strings.HasPrefix(path+"/", strings.TrimSuffix(tree, "/")+"/")
	}
packages:
	for _, p := range list(t, "{{.ImportPath}}") {
		for tree, reason := range forbidden {
			require.False(t, within(p, tree), "the worker links %s: %s", p, reason)
		}
		if first, _, _ := strings.Cut(p, "/"); !strings.Contains(first, ".") {
			continue // of the standard library
		}
		for _, tree := range allowed {
			if within(p, tree) {
				continue packages
			}
		}
		require.Fail(t, "the worker links a package that is not in the list", p)
	}
}
