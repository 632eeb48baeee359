package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/go-socketserver/socketserver/internal/text"
)

// newTable aligns the columns of the rows that are written to it, below a head with tabs between its columns.
func newTable(w io.Writer, head string) *tabwriter.Writer {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if head != "" {
		fmt.Fprintln(table, head)
	}
	return table
}

// maxCell is the number of bytes that are shown of a cell: all rows of a table are as wide as the widest one.
const maxCell = 4096

// writeRow writes a row to a table. A cell from elsewhere, as from a daemon of the cluster, neither acts on the terminal nor
// looks like another cell or row.
func writeRow(table io.Writer, cells ...any) {
	row := make([]string, len(cells))
	for n, cell := range cells {
		shown := fmt.Sprint(cell)
		if len(shown) > maxCell {
			shown = strings.ToValidUTF8(shown[:maxCell], "") + "..."
		}
		row[n] = strings.ReplaceAll(text.Line(shown), "\t", `\t`)
	}
	fmt.Fprintln(table, strings.Join(row, "\t"))
}
