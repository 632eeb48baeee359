package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/go-socketserver/socketserver/docs"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write the manual pages",
		Args:  arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			pages, err := writeManual(c.Root(), args[0])
			if err != nil {
				return failed(fmt.Errorf("socketserver: man: %w", err))
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), strings.Join(pages, "\n"))
			return err
		},
	}
}

// writeManual writes the pages of the commands, and that of the configuration.
func writeManual(root *cobra.Command, directory string) (pages []string, err error) {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, err
	}
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Title: "SOCKETSERVER", Section: "1", Source: "socketserver"}
	if err := doc.GenManTree(root, header, directory); err != nil {
		return nil, err
	}
	names, err := os.ReadDir(directory)
	for _, name := range names {
		path := filepath.Join(directory, name.Name())
		if matched, _ := filepath.Match("socketserver*.1", name.Name()); matched && err == nil {
			pages, err = append(pages, path), addCommon(path)
		}
	}
	configuration := filepath.Join(directory, "servers.hcl.5")
	if err == nil {
		err = os.WriteFile(configuration, md2man.Render([]byte(configurationManual())), 0o644)
	}
	return append(pages, configuration), err
}

// addCommon adds to the page of a command what commands have in common. The files and signals
// are those of serve.
func addCommon(path string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	_, common, _ := strings.Cut(docs.Command, "\n## ")
	if name := filepath.Base(path); name != "socketserver.1" && name != "socketserver-serve.1" {
		_, common, _ = strings.Cut(common, "\n## Exit status")
		common = "Exit status" + common
	}
	const section, seeAlso = "\n.SH ", "\n.SH SEE ALSO"
	_, sections, _ := bytes.Cut(md2man.Render([]byte("% title\n"+manual("## "+common))), []byte(section))
	before, after, _ := bytes.Cut(page, []byte(seeAlso))
	return os.WriteFile(path, slices.Concat(before, []byte(section), sections, []byte(seeAlso), after), 0o644)
}

func configurationManual() string {
	_, text, _ := strings.Cut(docs.Configuration, "\n")
	return "% \"SERVERS.HCL\" \"5\" \"\" \"socketserver\" \"\"\n# NAME\nservers.hcl - the servers that socketserver runs\n\n# DESCRIPTION\n" +
		manual(text) + "\n# SEE ALSO\n**socketserver(1)**, **socketserver-validate(1)**\n"
}

var (
	heading  = regexp.MustCompile(`(?m)^## .*$`)
	document = regexp.MustCompile(`\[([^]]+)\]\([\w./]+\)`) // a link to a file beside
	table    = regexp.MustCompile(`(?m)^\|.*\n\|[-|]+\n((?:\|.*\n)+)`)
)

// manual returns a document as md2man wants it: sections in capitals, and lists in place of
// tables, which are too wide for a terminal.
func manual(text string) string {
	text = heading.ReplaceAllStringFunc(text, func(h string) string { return "# " + strings.ToUpper(h[len("## "):]) })
	text = document.ReplaceAllString(text, "$1")
	return table.ReplaceAllStringFunc(text, definitions)
}

// definitions returns a table as a list of what is in its first column. A row without that
// continues the row above.
func definitions(table string) string {
	rows := strings.Split(strings.TrimSpace(table), "\n")
	names := cells(rows[0])
	var list strings.Builder
	term := ""
	for _, row := range rows[2:] {
		columns := cells(row)
		if columns[0] != "" {
			term = columns[0]
		}
		var parts []string
		for i, text := range columns[1:] {
			if name := names[i+1]; name != "" && text != "" {
				text = name + ": " + text
			}
			if text != "" {
				parts = append(parts, text)
			}
		}
		fmt.Fprintf(&list, "%s\n: %s\n\n", term, strings.Join(parts, "; "))
	}
	return list.String()
}

func cells(row string) []string {
	columns := strings.Split(strings.Trim(row, "|"), "|")
	for i := range columns {
		columns[i] = strings.TrimSpace(columns[i])
	}
	return columns
}
