package framework_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// This package is what every handler, plugin and worker links, and a worker is started
// for each request: what it links is paid for every time. Beside the standard library that
// is the logger and what the logger itself needs, and crypto/tls is not: layers run in the server.
func TestDependencies(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command")
	}
	const module = "github.com/go-socketserver/socketserver/"
	const own = module + "framework"
	allowed := []string{
		own, own + "/internal/", module + "internal", module + "internal/",
		"github.com/hashicorp/go-hclog", "github.com/fatih/color", "github.com/mattn/go-colorable", "github.com/mattn/go-isatty", "golang.org/x/sys/",
	}
	for _, system := range []string{"linux", "darwin", "windows"} {
		list := exec.Command("go", "list", "-deps", "-f", "{{if or (not .Standard) (eq .ImportPath \"crypto/tls\")}}{{.ImportPath}}{{end}}", ".")
		list.Env = append(list.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		out, err := list.Output()
		require.NoError(t, err)
		for _, path := range strings.Fields(string(out)) {
			ok := false
			for _, prefix := range allowed {
				ok = ok || path == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(path, prefix)
			}
			require.True(t, ok, "%s: the framework must not import %s", system, path)
		}
	}
}
