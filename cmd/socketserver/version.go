package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

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
			entries, err := os.ReadDir(args[0])
			if err != nil {
				return failed(err)
			}
			var pages strings.Builder
			for _, e := range entries {
				if strings.HasPrefix(e.Name(), "socketserver") && strings.HasSuffix(e.Name(), ".1") {
					fmt.Fprintln(&pages, filepath.Join(args[0], e.Name()))
				}
			}
			_, err = io.WriteString(c.OutOrStdout(), pages.String())
			return err
		},
	}
}
