package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/internal/regular"
)

// maxSource is one above the maximum size of a configuration, in bytes.
const maxSource = 1<<20 + 1

// formatter rewrites files in canonical layout.
type formatter struct {
	check, diff bool
	stdin       io.Reader
	stdout      io.Writer
	differs     bool
}

func newFmt() *cobra.Command {
	var f formatter
	c := &cobra.Command{
		Use:   "fmt [--check] [--diff] [FILE|-]...",
		Short: "Rewrite configurations in canonical layout",
		Long:  "Rewrite configurations in canonical layout: servers.hcl, the files and directories\nnamed, or standard input to standard output for '-'.",
		RunE: func(c *cobra.Command, args []string) error {
			f.stdin, f.stdout = c.InOrStdin(), c.OutOrStdout()
			if len(args) == 0 {
				args = []string{"servers.hcl"}
			}
			var errs []error
			for _, arg := range args {
				errs = append(errs, f.path(arg))
			}
			if err := errors.Join(errs...); err != nil {
				return failed(err)
			}
			if f.check && f.differs {
				return statusError{code: exitFailed}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&f.check, "check", false, "write nothing; list files that would change, with status 1")
	c.Flags().BoolVar(&f.diff, "diff", false, "write nothing; print what would change")
	return c
}

func (f *formatter) path(path string) error {
	if path == "-" {
		src, err := io.ReadAll(io.LimitReader(f.stdin, maxSource))
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
		return f.source("<stdin>", src, func(formatted []byte) error {
			_, err := f.stdout.Write(formatted)
			return err
		})
	}
	info, err := os.Stat(path)
	var files []string
	switch {
	case err == nil && info.IsDir():
		files, err = config.Files(path)
	case err == nil && info.Mode().IsRegular():
		return f.file(path)
	case err == nil:
		return fmt.Errorf("%s: it is not a regular file; for standard input write -", path)
	}
	if err != nil {
		return config.PathError(path, err)
	}
	var errs []error
	for _, file := range files {
		errs = append(errs, f.path(file))
	}
	return errors.Join(errs...)
}

// file writes in place: a new file would have another owner, leave the hard links of the old one
// behind, and could not take the place of a mount.
func (f *formatter) file(path string) error {
	src, err := regular.Read(path, maxSource)
	if err != nil {
		return config.PathError(path, err)
	}
	return f.source(path, src, func(formatted []byte) error {
		if bytes.Equal(src, formatted) {
			return nil
		}
		if err := os.WriteFile(path, formatted, 0); err != nil {
			_ = os.WriteFile(path, src, 0) // a full disk has room for what was there
			return fmt.Errorf("write %s: %w", path, err)
		}
		_, err := fmt.Fprintln(f.stdout, path)
		return err
	})
}

// source formats src and calls write with the result, or prints it for --check and --diff.
func (f *formatter) source(name string, src []byte, write func([]byte) error) error {
	formatted, err := config.Format(name, src)
	if err != nil {
		return err
	}
	changed := !bytes.Equal(src, formatted)
	f.differs = f.differs || changed
	switch {
	case f.diff && changed:
		_, err = f.stdout.Write(diff.Diff(name, src, name+" (formatted)", formatted))
	case f.check && changed:
		_, err = fmt.Fprintln(f.stdout, name)
	case !f.diff && !f.check:
		err = write(formatted)
	}
	return err
}
