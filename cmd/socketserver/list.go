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
		Use:   "handlers [NAME]...",
		Short: "List the compiled-in handlers with their options",
		Long:  "List the compiled-in handlers, or those named, with their options and defaults as they\nstand in a configuration.",
		RunE: func(c *cobra.Command, args []string) error {
			return listHandlers(c.OutOrStdout(), args)
		},
	}
}

// listHandlers prints all handlers, or those of names.
func listHandlers(w io.Writer, names []string) error {
	listed := handlers.Table
	if len(names) > 0 {
		listed = nil
	}
	for _, name := range names {
		h, err := lookup(name)
		if err != nil {
			return err
		}
		listed = append(listed, h)
	}
	for i, h := range listed {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := describe(w, h); err != nil {
			return failed(fmt.Errorf("handler %q: %w", h.Name, err))
		}
	}
	return nil
}

func lookup(name string) (handlers.Entry, error) {
	var names []string
	for _, h := range handlers.Table {
		if h.Name == name {
			return h, nil
		}
		names = append(names, h.Name)
	}
	return handlers.Entry{}, usage("there is no handler %q compiled in; %s", name, suggest(name, names))
}

func describe(w io.Writer, h handlers.Entry) error {
	class, err := h.Constructor.Class(nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: %s\n  transports: %s\n", h.Name, h.Doc, strings.Join(class.Serves(), ", "))
	if class.Stateful != "" {
		fmt.Fprintf(w, "  keeps in memory: %s\n", class.Stateful)
	}
	for _, o := range h.Constructor.Options() {
		fmt.Fprintf(w, "  %s = %s\n      %s\n", o.Name, o.Default, o.Doc)
	}
	return nil
}
