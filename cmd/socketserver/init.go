package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/internal/text"
)

// firstConfiguration is what init writes.
//
//go:embed templates/servers.hcl
var firstConfiguration string

func newInit() *cobra.Command {
	return &cobra.Command{
		Use:   "init [DIRECTORY]",
		Short: "Write a servers.hcl to begin with",
		Long: "Write a servers.hcl with a server and comments into DIRECTORY, or the current one, and print what to do\n" +
			"with it. Nothing is overwritten.",
		Example: "  socketserver init\n  socketserver init chat",
		Args:    arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			directory := "."
			if len(args) > 0 {
				directory = args[0]
			}
			file := filepath.Join(directory, "servers.hcl")
			if err := writeNew(file, firstConfiguration, 0o644); err != nil {
				return failed(fmt.Errorf("socketserver: init: %w", err))
			}
			from := ""
			if file != "servers.hcl" {
				from = " -c " + text.ShellWord(file)
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), `%[1]s is yours to change. Check it, and run it:

  socketserver validate%[2]s
  socketserver serve%[2]s

Then, in another terminal:

  echo hello | socketserver connect --mode once tcp://localhost:9000
`, text.Line(file), text.Line(from))
			return err
		},
	}
}

// writeNew writes a file that is not there yet, and the directories that it lies in.
func writeNew(path, content string, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists, and nothing is overwritten; choose another name or directory", path)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path) // a part of it would keep the next try from writing
	}
	return err
}
