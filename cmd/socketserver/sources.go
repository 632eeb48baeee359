package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/internal/text"
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
	what := "/v1/sources"
	if len(args) > 0 {
		what += "?server=" + url.QueryEscape(args[0])
	}
	answer, err := ask[sourcesAnswer](c, path, http.MethodGet, what, nil)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), answer)
	}
	table := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERVER\tSOURCE\tREQUESTS\tREFUSED\tLAST REFUSED")
	for _, s := range answer.Sources {
		var refused []string
		for _, why := range slices.Sorted(maps.Keys(s.Refused)) {
			refused = append(refused, fmt.Sprintf("%s %d", why, s.Refused[why]))
		}
		last := "-"
		if s.Last != nil {
			last = time.Since(*s.Last).Round(time.Second).String() + " ago"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\n", s.Server, text.Line(cmp.Or(s.Source, "-")), s.Active, cmp.Or(strings.Join(refused, ", "), "-"), last)
	}
	return table.Flush()
}
