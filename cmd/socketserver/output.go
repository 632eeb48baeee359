package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"
)

// execute runs the command line. An error of writing the output has the status exitFailed, also
// that of help, which cobra would only print.
func execute(root *cobra.Command) (*cobra.Command, error) {
	var helpErr error
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		var text bytes.Buffer
		out := c.OutOrStdout()
		c.SetOut(&text)
		help(c, args)
		_, helpErr = out.Write(text.Bytes())
	})
	c, err := root.ExecuteC()
	err = errors.Join(err, helpErr)
	var write *fs.PathError
	if !errors.As(err, new(statusError)) && errors.As(err, &write) && write.Op == "write" {
		err = failed(fmt.Errorf("socketserver: %w", write))
	}
	return c, err
}
