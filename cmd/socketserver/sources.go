package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

// A sourcesAnswer is where the clients of servers come from.
type sourcesAnswer struct {
	Sources []supervisor.SourceCounts `json:"sources"`
}

func (d *daemon) sources(r *http.Request) (any, error) {
	name := r.FormValue("server")
	if _, err := d.statusOf(name); err != nil {
		return nil, err
	}
	return sourcesAnswer{d.servers.Sources(name)}, nil
}

// printSources prints the sources of a server, or of all.
func printSources(c *cobra.Command, path func() (string, error), args []string, asJSON bool) error {
	return askTable(c, path, "/v1/sources", args, asJSON, "SERVER\tSOURCE\tREQUESTS\tREFUSED\tLAST REFUSED", sourcesAnswer.rows)
}

func (a sourcesAnswer) rows(table io.Writer) {
	for _, s := range a.Sources {
		var refused []string
		for _, why := range slices.Sorted(maps.Keys(s.Refused)) {
			refused = append(refused, fmt.Sprintf("%s %d", why, s.Refused[why]))
		}
		last := "-"
		if s.Last != nil {
			last = time.Since(*s.Last).Round(time.Second).String() + " ago"
		}
		writeRow(table, s.Server, cmp.Or(s.Source, "-"), s.Active, cmp.Or(strings.Join(refused, ", "), "-"), last)
	}
}
