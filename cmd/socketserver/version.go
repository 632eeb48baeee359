package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/go-socketserver/socketserver/framework"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return printVersion(c) },
	}
}

func printVersion(c *cobra.Command) error {
	_, err := fmt.Fprintf(c.OutOrStdout(), "socketserver %s, build %s, %s %s/%s\n",
		version(), framework.Build(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// version is the module's version, or the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	return info.Main.Version
}

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write the manual pages",
		Args:  arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return failed(err)
			}
			root := c.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Title: "SOCKETSERVER", Section: "1", Source: "socketserver"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return failed(err)
			}
			pages, err := fs.Glob(os.DirFS(args[0]), "socketserver*.1")
			for _, page := range pages {
				if err == nil {
					_, err = fmt.Fprintln(c.OutOrStdout(), filepath.Join(args[0], page))
				}
			}
			return err
		},
	}
}
