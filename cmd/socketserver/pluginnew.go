package main

import (
	"embed"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/framework/plugin"
	"github.com/go-socketserver/socketserver/internal/text"
)

//go:embed templates/*.tmpl
var templates embed.FS

// languages are the values of --lang: the path of the file and its mode. A module's source does not
// lie among the plugins.
var languages = map[string]struct {
	path func(directory, name string) string
	mode fs.FileMode
}{
	"go":     {func(directory, name string) string { return filepath.Join(directory, name, "main.go") }, 0o644},
	"python": {func(directory, name string) string { return filepath.Join(directory, name+".py") }, 0o644},
	"sh":     {func(directory, name string) string { return filepath.Join(directory, name+".sh") }, 0o755},
	"c-wasm": {func(_, name string) string { return name + ".c" }, 0o644},
}

// A newcomer is a plugin to be made.
type newcomer struct {
	name, directory, language string
	datagram                  bool
}

func newPluginNew() *cobra.Command {
	var n newcomer
	words := slices.Sorted(maps.Keys(languages))
	c := &cobra.Command{
		Use:   "new NAME [--lang LANGUAGE] [--datagram]",
		Short: "Write a new plugin, which answers in capitals",
		Long: "Write a new plugin as one file, which answers each line, or datagram, in capitals and is yours to change.\n" +
			"What is to be added to a configuration and how it is tried are printed. Nothing is overwritten.",
		Example: "  socketserver plugin new greet\n  socketserver plugin new ping --lang sh --datagram",
		Args:    arguments(1, 1),
	}
	addPluginsFlag(c, &n.directory)
	c.Flags().StringVar(&n.language, "lang", "go", strings.Join(words, ", "))
	c.Flags().BoolVar(&n.datagram, "datagram", false, "for datagrams in place of connections")
	c.RunE = func(c *cobra.Command, args []string) error {
		n.name = args[0]
		if _, known := languages[n.language]; !known {
			return usage("--lang %s is unknown; %s", n.language, suggest(n.language, words))
		}
		if ok, _ := regexp.MatchString(`^[A-Za-z][A-Za-z0-9_-]*$`, n.name); !ok {
			return usage("%q: begin the name with a letter, and go on with letters, digits, dashes and underscores", n.name)
		}
		path, err := n.write()
		if err != nil {
			return failed(fmt.Errorf("socketserver: plugin new: %w", err))
		}
		_, err = io.WriteString(c.OutOrStdout(), n.next(path))
		return err
	}
	return c
}

// write writes the file and returns its path.
func (n *newcomer) write() (string, error) {
	if plugin.Has(n.directory, n.name) {
		return "", fmt.Errorf("there is a plugin %q in %s already; choose another name", n.name, n.directory)
	}
	l := languages[n.language]
	code, err := templates.ReadFile("templates/" + n.language + ".tmpl")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(n.directory, 0o755); err != nil {
		return "", err
	}
	text := strings.ReplaceAll(string(code), "NAME", n.name)
	if n.datagram {
		text = forDatagrams.Replace(text)
	}
	path := l.path(n.directory, n.name)
	return path, writeNew(path, text, l.mode)
}

// forDatagrams makes a template one of datagrams: a datagram is read to its end, and what was
// written is one answer, so little differs.
var forDatagrams = strings.NewReplacer(
	"each line", "each datagram",
	"StreamRequestHandler", "DatagramRequestHandler", "ThreadingTCPServer", "ThreadingUDPServer",
)

// next returns what to do with the file.
func (n *newcomer) next(path string) string {
	network, try := "tcp", "connect --mode once"
	if n.datagram {
		network, try = "udp", "connect --mode ask"
	}
	from := ""
	if n.directory != "plugins" {
		from = " --plugins " + text.ShellWord(n.directory)
	}
	first, err := "", error(nil)
	if directory, failed := filepath.Abs(n.directory); n.language == "go" && failed == nil {
		err = plugin.CheckModule(directory, n.name)
	}
	switch {
	case err != nil:
		first = "  # " + err.Error() + "\n"
	case n.language == "c-wasm":
		first = fmt.Sprintf("  clang --target=wasm32-wasi --sysroot=/usr -O2 -o %s %s\n", text.ShellWord(filepath.Join(n.directory, n.name+".wasm")), text.ShellWord(path))
	}
	return fmt.Sprintf(`%[1]s is yours to change. In a configuration:

server "%[2]s" {
  transport "%[3]s" { address = "localhost:9000" }
  concurrency "threading" {}
  plugin "%[2]s" {}
}

or without one:

%[4]s  socketserver serve --listen %[3]s://localhost:9000 --plugin %[2]s%[5]s
  echo hello | socketserver %[6]s %[3]s://localhost:9000
`, path, n.name, network, first, from, try)
}
