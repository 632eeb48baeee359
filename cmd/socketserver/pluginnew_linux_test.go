package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// What plugin new writes serves as it is, and passes plugin test.
func TestNewPluginServes(t *testing.T) {
	for language := range languages {
		for network, flag := range map[string]string{"tcp": "--datagram=false", "udp": "--datagram"} {
			t.Run(language+" "+network, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				plugins := filepath.Join(dir, "plugins")
				create := exec.Command("socketserver", "plugin", "new", "capitals", "--lang", language, "--plugins", plugins, flag)
				create.Dir = dir
				out, err := create.CombinedOutput()
				require.NoError(t, err, "%s", out)
				if command := compilation(string(out)); command != "" {
					compiler := exec.Command("sh", "-c", command)
					compiler.Dir = dir
					if out, err := compiler.CombinedOutput(); err != nil {
						t.Skipf("needs clang with the target wasm32-wasi: %s", out)
					}
				}
				test := []string{"capitals", "--plugins", plugins, "--send", `hello\n`, "--expect", `HELLO\n`}
				if often(0, 1) == 0 {
					test = append(test, "--concurrency", "threading")
				}
				printed, status := pluginTest(dir, test...) // a plugin in Go is built with the source of this program
				require.Zero(t, status, printed)
				require.Regexp(t, `\n[1-9][0-9]* ok, 0 failed, `, printed)
				_, listeners := serveFile(t, fmt.Sprintf(`
plugins { directory = %q }
server "capitals" {
  transport %q { address = "127.0.0.1:0" }
  concurrency "threading" {}
  plugin "capitals" {}
}
`, plugins, network))
				conn := dial(t, listeners[0])
				frameworktest.Send(t, conn, "hello\n")
				frameworktest.Expect(t, conn, "HELLO\n")
				if network == "tcp" {
					frameworktest.Send(t, conn, "without end")
					require.Equal(t, "WITHOUT END", strings.TrimSuffix(frameworktest.End(t, conn), "\n"))
				}
			})
		}
	}
}

// compilation returns the command of a compiler in what plugin new prints.
func compilation(printed string) string {
	_, command, found := strings.Cut(printed, "  clang ")
	if !found {
		return ""
	}
	command, _, _ = strings.Cut(command, "\n")
	return "clang " + command
}

func TestTemplatesAreShort(t *testing.T) {
	templates, err := filepath.Glob("templates/*.tmpl")
	require.NoError(t, err)
	require.Len(t, templates, len(languages))
	for _, path := range templates {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.LessOrEqual(t, strings.Count(string(text), "\n"), 25, path)
	}
}
