package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/handlers"
)

func newHandlers() *cobra.Command {
	return &cobra.Command{
		Use:   "handlers",
		Short: "List the compiled-in handlers with their options",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return listHandlers(c.OutOrStdout())
		},
	}
}

// listHandlers prints each handler with its options as they stand in a configuration.
func listHandlers(w io.Writer) error {
	for i, h := range handlers.Table {
		class, err := h.Constructor.Class(nil)
		if err != nil {
			return failed(fmt.Errorf("handler %q: %w", h.Name, err))
		}
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s: %s\n  transports: %s\n", h.Name, h.Doc, strings.Join(class.Serves(), ", "))
		if class.Stateful != "" {
			fmt.Fprintf(w, "  keeps in memory: %s\n", class.Stateful)
		}
		for _, o := range h.Constructor.Options() {
			fmt.Fprintf(w, "  %s = %s\n      %s\n", o.Name, o.Default, o.Doc)
		}
	}
	return nil
}
