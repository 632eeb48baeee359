package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

var port = regexp.MustCompile(`(localhost):\d+`)

// TestSecurityNamesItsTests finds the tests that show what the document claims.
func TestSecurityNamesItsTests(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	require.NoError(t, err)
	var tests strings.Builder
	require.NoError(t, filepath.WalkDir("../..", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			var source []byte
			source, err = os.ReadFile(path)
			tests.Write(source)
		}
		return err
	}))
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, named)
	for _, name := range named {
		require.True(t, strings.Contains(tests.String(), "\nfunc "+name[1]+"("), "there is no %s", name[1]) // the text is too long to be shown
	}
}

// TestExamples validates every configuration that the documentation shows, and runs those
// of the handlers, on ports that are free.
func TestExamples(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	ca := frameworktest.NewAuthority(t)
	own := ca.Issue(t, "localhost")
	files := strings.NewReplacer(`"server.pem"`, strconv.Quote(own.Certificate), `"server.key"`, strconv.Quote(own.Key), `"clients.pem"`, strconv.Quote(ca.File))
	handlers := map[string]int{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		name, err := filepath.Rel(root, path)
		require.NoError(t, err)
		for _, f := range fences(t, path) {
			if f.language != "hcl" {
				continue
			}
			c, err := config.Parse(path, []byte(files.Replace(f.text)), newTestCatalog(t))
			require.NoError(t, err, "%s, line %d", name, f.line)
			if !strings.HasPrefix(name, "handlers/") {
				continue
			}
			handlers[filepath.Dir(name)]++
			t.Run(fmt.Sprintf("%s line %d", name, f.line), func(t *testing.T) {
				t.Parallel()
				_, listeners := serveFile(t, port.ReplaceAllString(f.text, "$1:0"))
				require.GreaterOrEqual(t, len(listeners), len(c.Servers))
				for _, l := range listeners {
					dial(t, l)
				}
			})
		}
		return nil
	}))
	readmes, err := filepath.Glob(filepath.Join(root, "handlers", "*", "README.md"))
	require.NoError(t, err)
	require.Len(t, handlers, len(readmes), "every handler has an example")
}
