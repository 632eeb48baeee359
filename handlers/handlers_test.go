package handlers_test

import (
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/handlers"
	"github.com/go-socketserver/socketserver/handlers/echo"
)

func TestMain(m *testing.M) {
	framework.RestoreLayer = layer.Restore
	handlers.ServeWorker()
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children would sleep a second each
	goleak.VerifyTestMain(m)
}

func TestTable(t *testing.T) {
	var names []string
	for _, e := range handlers.Table {
		names = append(names, e.Name)
		require.NotEmpty(t, e.Doc)
		c, ok := handlers.Lookup(e.Name)
		require.True(t, ok)
		require.Equal(t, e.Constructor, c)
		class, err := c.Class(nil)
		require.NoError(t, err)
		require.NotNil(t, class.New())
		for _, o := range c.Options() {
			require.NotEmpty(t, o.Doc, "option %s of %s", o.Name, e.Name)
		}
	}
	require.True(t, slices.IsSorted(names))
	require.Equal(t, names, slices.Compact(slices.Clone(names)))
	_, ok := handlers.Lookup("absent")
	require.False(t, ok)
}

// Every handler has a README of the same sections, which names all its options and their
// defaults.
func TestREADME(t *testing.T) {
	heading := regexp.MustCompile(`(?m)^##? (.*)$`)
	for _, e := range handlers.Table {
		text, err := os.ReadFile(filepath.Join(e.Name, "README.md"))
		require.NoError(t, err)
		var found []string
		for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
			found = append(found, m[1])
		}
		require.Equal(t, []string{e.Name, "Name", "Description", "Configuration", "Examples"}, found)
		require.Contains(t, string(text), "`"+e.Name+"` "+e.Doc+".")
		for _, o := range e.Constructor.Options() {
			require.Contains(t, string(text), "| `"+o.Name+"` | `"+string(o.Default)+"` |")
		}
		require.Contains(t, string(text), "```hcl\nserver ")
	}
}

// buildWorker builds a program that children or workers run.
func buildWorker(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-o", path, "../cmd/"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))
	return path
}

// The worker program is of the same build as this one, though they have little else in
// common, and serves every handler.
func TestWorker(t *testing.T) {
	worker := buildWorker(t, "socketserver-worker")
	for _, e := range handlers.Table {
		var log strings.Builder
		s := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, e.Constructor, ""))
		s.Log = hclog.New(&hclog.LoggerOptions{Output: &log})
		s.Strategy = &framework.Forking{Command: &framework.Program{Path: worker, Build: framework.Build()}}
		frameworktest.Serve(t, s)
		conn := frameworktest.Dial(t, s)
		switch e.Name {
		case "sink", "chat": // nobody else is there
			require.Empty(t, frameworktest.End(t, conn))
		case "counter":
			require.Equal(t, "1\n", frameworktest.Ask(t, conn, "hello\n"))
		default:
			require.Contains(t, frameworktest.Ask(t, conn, "hello\n"), "hello")
		}
		require.NoError(t, s.Close())
		require.NotContains(t, log.String(), "another build")
	}
}

// So is the one that ends TLS, and it does that.
func TestWorkerEndsTLS(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	secure, err := layer.NewTLS(layer.TLSFiles{Pairs: []layer.Pair{layer.Pair(ca.Issue(t, "localhost"))}})
	require.NoError(t, err)
	var log strings.Builder
	s := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, echo.Constructor, ""))
	s.Log, s.Layers = hclog.New(&hclog.LoggerOptions{Output: &log}), []framework.Layer{secure}
	s.Strategy = &framework.Preforking{Command: &framework.Program{Path: buildWorker(t, "socketserver-worker-tls"), Build: framework.Build(), Layers: true}, Workers: 1}
	frameworktest.Serve(t, s)
	conn := tls.Client(frameworktest.Dial(t, s), &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"})
	require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
	require.Zero(t, s.Active(), "requests of this process")
	require.NoError(t, conn.Close())
	require.NoError(t, s.Close())
	require.NotContains(t, log.String(), "another build")
}

func TestWorkerByHand(t *testing.T) {
	for _, name := range []string{"socketserver-worker", "socketserver-worker-tls"} {
		output, err := exec.Command(buildWorker(t, name)).CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, 2, exit.ExitCode())
		require.Equal(t, name+": this program is started by socketserver, which finds it beside itself; run socketserver serve\n", string(output))
	}
}
