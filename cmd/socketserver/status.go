package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/admin"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/internal/text"
)

// A statusAnswer is what a daemon does.
type statusAnswer struct {
	Pid        int                 `json:"pid"`
	Since      time.Time           `json:"since"`      // when it began
	Generation int                 `json:"generation"` // of the configuration: how many were applied
	Config     []string            `json:"config"`     // paths and patterns that the configuration was read from
	Servers    []supervisor.Status `json:"servers"`
}

// status answers with the status of one server or of all.
func (d *daemon) status(r *http.Request) (any, error) { return d.statusOf(r.PathValue("server")) }

func (d *daemon) statusOf(name string) (statusAnswer, error) {
	applied := d.applied.Load()
	answer := statusAnswer{os.Getpid(), d.since, applied.number, applied.config.Sources, []supervisor.Status{}}
	var names []string
	for _, s := range d.servers.Status() {
		names = append(names, s.Name)
		if name == "" || s.Name == name {
			answer.Servers = append(answer.Servers, s)
		}
	}
	if name != "" && len(answer.Servers) == 0 {
		return answer, &admin.Error{Status: http.StatusNotFound, Err: fmt.Errorf("there is no server %q; %s", name, suggest(name, names))}
	}
	return answer, nil
}

func newStatus() *cobra.Command {
	var asJSON, ready, sources, all bool
	c := &cobra.Command{
		Use:   "status [SERVER] [--json] [--ready] [--sources] [--all]",
		Short: "What the running daemon does",
		Args:  arguments(0, 1),
	}
	path := addAdminFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.Flags().BoolVar(&ready, "ready", false, "print nothing; the exit status is 1 unless every server serves")
	c.Flags().BoolVar(&sources, "sources", false, "where clients come from: those that were refused most, and those with the most requests")
	c.Flags().BoolVar(&all, "all", false, "of all daemons of the cluster")
	c.MarkFlagsMutuallyExclusive("ready", "sources", "all")
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case sources:
			return printSources(c, path, args, asJSON)
		case all:
			return printAll(c, path, args, asJSON)
		}
		what := "/v1/status"
		if len(args) > 0 {
			what += "/" + url.PathEscape(args[0])
		}
		answer, err := ask[statusAnswer](c, path, http.MethodGet, what, nil)
		switch {
		case err != nil:
			return err
		case ready:
			return answer.ready()
		case asJSON:
			return printJSON(c.OutOrStdout(), answer)
		}
		if err := answer.print(c.OutOrStdout()); err != nil || len(args) == 0 {
			return err
		}
		return answer.printDetails(c.OutOrStdout())
	}
	return c
}

// ready returns an error that names the servers that do not serve.
func (a statusAnswer) ready() error {
	if not := supervisor.NotServing(a.Servers); len(not) > 0 {
		return failed(errors.New(strings.Join(not, "; ")))
	}
	return nil
}

const statusHead = "SERVER\tSTATE\tSTRATEGY\tHANDLER\tREQUESTS\tACCEPTED\tREFUSED\tFAILED\tPROCESSES\tLISTENS ON"

// rows writes a row for each server, which begins with first.
func (a statusAnswer) rows(table io.Writer, first ...any) {
	for _, s := range a.Servers {
		var listeners []string
		for _, l := range s.Listeners {
			listeners = append(listeners, l.Scheme()+" "+l.Address+l.Path)
		}
		writeRow(table, append(slices.Clip(first), s.Name, s.State, s.Strategy, s.Handler,
			s.Active, s.Accepted, refusals(s), s.Failed, len(processes(s)), strings.Join(listeners, ", "))...)
	}
}

func (a statusAnswer) print(w io.Writer) error {
	table := newTable(w, statusHead)
	a.rows(table)
	err := table.Flush()
	for _, s := range a.Servers {
		if s.Problem != "" {
			_, err = fmt.Fprintf(w, "%s: %s\n", s.Name, text.Line(s.Problem))
		}
		if s.Overdue > 0 {
			_, err = fmt.Fprintf(w, "%s: %d of its requests still running after timeouts.request; the log has the stacks, and socketserver ps %s the processes\n", s.Name, s.Overdue, s.Name)
		}
	}
	return err
}

func refusals(s supervisor.Status) (all int64) {
	for _, n := range s.Refused {
		all += n
	}
	return all
}

func processes(s supervisor.Status) []supervisor.Process {
	if s.Plugin == nil {
		return s.Workers
	}
	return append(s.Workers, *s.Plugin)
}

// printDetails prints why clients were refused, and the processes.
func (a statusAnswer) printDetails(w io.Writer) error {
	table := newTable(w, "")
	for _, s := range a.Servers {
		for _, why := range slices.Sorted(maps.Keys(s.Refused)) {
			if n := s.Refused[why]; n > 0 {
				writeRow(table, "refused", why, n)
			}
		}
		for _, p := range processes(s) {
			writeRow(table, p.Kind, p.Pid, fmt.Sprintf("served %d", p.Served), "age "+age(p.Since))
		}
	}
	return table.Flush()
}

// age returns how long ago it was, in seconds.
func age(since time.Time) string { return time.Since(since).Truncate(time.Second).String() }
