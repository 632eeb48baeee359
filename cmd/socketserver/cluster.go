package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/admin"
	"github.com/go-socketserver/socketserver/cmd/socketserver/cluster"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/internal/text"
)

// A machineStatus is the status of one daemon of the cluster.
type machineStatus struct {
	Machine string `json:"machine"`
	Problem string `json:"problem,omitempty"` // why the daemon does not say more
	statusAnswer
}

// join joins the cluster that the configuration has. A worker is announced there, and a daemon looks for workers
// until ctx is done.
func (d *daemon) join(ctx context.Context, c config.Cluster) (err error) {
	if c.URL == "" {
		return nil
	}
	d.cluster, err = cluster.Join(c, d.log, func() any {
		answer, _ := d.statusOf("")
		return answer
	})
	if err != nil {
		return err
	}
	conn, prefix := d.cluster.Conn, d.cluster.Prefix
	if d.means.Serves != nil {
		return d.means.Serves.Announce(d.cluster.Service, conn, prefix)
	}
	go func() {
		if err := d.means.Front.Run(ctx, conn, prefix); err != nil {
			d.log.Error("workers of the cluster are not looked for", "error", err)
		}
	}()
	return nil
}

// clusterStatus answers with the status of all daemons of the cluster.
func (d *daemon) clusterStatus(r *http.Request) (any, error) {
	if d.cluster == nil {
		return nil, errors.New(`the configuration of the daemon has no cluster block; add cluster { url = "nats://HOST:4222" } on each machine, and restart`)
	}
	answers, err := d.cluster.Status(r.Context())
	if err != nil {
		return nil, &admin.Error{Status: http.StatusServiceUnavailable, Err: err}
	}
	all := make([]machineStatus, 0, len(answers))
	for _, a := range answers {
		one := machineStatus{Machine: a.Machine}
		var problem cluster.Problem
		if json.Unmarshal(a.Status, &one.statusAnswer) == nil && json.Unmarshal(a.Status, &problem) == nil {
			one.Problem = problem.Problem
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b machineStatus) int {
		return cmp.Or(strings.Compare(a.Machine, b.Machine), cmp.Compare(a.Pid, b.Pid))
	})
	return all, nil
}

func askAll(c *cobra.Command, path func() (string, error)) ([]machineStatus, error) {
	return ask[[]machineStatus](c, path, http.MethodGet, "/v1/cluster/status", nil)
}

// printAll prints the status of the servers of all daemons, or of those of one name.
func printAll(c *cobra.Command, path func() (string, error), names []string, asJSON bool) error {
	all, err := askAll(c, path)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		all = of(all, names[0])
		if len(all) == 0 {
			return failed(fmt.Errorf("no daemon of the cluster has a server %q", names[0]))
		}
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), all)
	}
	table := newTable(c.OutOrStdout(), machineHead+statusHead)
	for _, a := range all {
		a.rows(table, a.Machine, a.Pid)
		if a.Problem != "" {
			c.PrintErrf("the daemon %d on %s is not listed: %s\n", a.Pid, text.Line(a.Machine), text.Line(a.Problem))
		}
	}
	return table.Flush()
}

// of returns the daemons with a server of that name, and of their servers this one.
func of(all []machineStatus, name string) (those []machineStatus) {
	for _, a := range all {
		servers := a.Servers
		a.Servers = nil
		for _, s := range servers {
			if s.Name == name {
				a.Servers = append(a.Servers, s)
			}
		}
		if a.Servers != nil || a.Problem != "" { // it may have one
			those = append(those, a)
		}
	}
	return those
}

// The columns before those of one daemon.
const machineHead = "MACHINE\tPID\t"

// A clusterTop is what the servers of all daemons do, with rates.
type clusterTop []machineTop

type machineTop struct {
	Machine string `json:"machine"`
	topAnswer
}

func (all clusterTop) String() string {
	var text strings.Builder
	table := newTable(&text, machineHead+topHead)
	for _, a := range all {
		a.rows(table, a.Machine, a.Pid)
	}
	_ = table.Flush()
	return text.String()
}

// askAgain passes what all daemons do to take, now and after each interval, until an error.
func askAgain(c *cobra.Command, path func() (string, error), interval time.Duration, take func([]machineStatus) error) error {
	for {
		all, err := askAll(c, path)
		if err == nil {
			err = take(all)
		}
		if err != nil {
			return err
		}
		select {
		case <-time.After(interval):
		case <-c.Context().Done():
			return nil
		}
	}
}

// ratesOf compares the daemons with what they were before. One that is new has no rates yet.
func ratesOf(before, now []machineStatus, elapsed time.Duration) (all clusterTop) {
	for _, a := range now {
		was := slices.IndexFunc(before, func(b machineStatus) bool { return b.Machine == a.Machine && b.Pid == a.Pid })
		earlier := a.statusAnswer
		if was >= 0 {
			earlier = before[was].statusAnswer
		}
		all = append(all, machineTop{a.Machine, newTopAnswer(earlier, a.statusAnswer, elapsed)})
	}
	return all
}
