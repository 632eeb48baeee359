package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/admin"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/internal/text"
)

// An eventFrame is what has happened since the one before, and the status after that.
type eventFrame struct {
	Events []supervisor.Event `json:"events"`
	Lost   int                `json:"lost"` // events that were not kept for a client that reads too slowly
	Status statusAnswer       `json:"status"`
}

const (
	frameInterval = 100 * time.Millisecond
	mostQuiet     = 10 // intervals without an event and without a frame
)

// events sends a frame at once, then one after each interval in which something has happened, and
// at least one a second.
func (d *daemon) events(ctx context.Context, send func(any) error) error {
	w := d.servers.Watch()
	defer w.Close()
	interval := time.NewTicker(frameInterval)
	defer interval.Stop()
	for quiet := mostQuiet; ; quiet++ {
		if events, lost := w.Take(); len(events) > 0 || quiet >= mostQuiet {
			if events == nil {
				events = []supervisor.Event{}
			}
			status, err := d.statusOf("")
			if err == nil {
				err = send(eventFrame{events, lost, status})
			}
			if err != nil {
				return err
			}
			quiet = 0
		}
		select {
		case <-interval.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// follow calls each with the frames of the daemon until a signal comes.
func follow(path func() (string, error), each func(eventFrame) error) error {
	socket, err := path()
	if err != nil {
		return err
	}
	ctx, stop := stopOnSignal(nil)
	defer stop()
	if err := admin.Follow(ctx, socket, "/v1/events", each); err != nil {
		return failed(err)
	}
	return nil
}

func newEvents() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "events [--json]",
		Short: "Print what happens, as it happens",
		Long:  "Print a line for each client that is accepted or refused, each request that starts and ends, each\nprocess that starts and ends, and each new state of a server, until ^C.",
		Args:  noArguments,
	}
	path := addAdminFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "a JSON object a line")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return follow(path, func(f eventFrame) error { return f.print(c.OutOrStdout(), asJSON) })
	}
	return c
}

func (f eventFrame) print(w io.Writer, asJSON bool) error {
	var lines strings.Builder
	for _, e := range f.Events {
		if asJSON {
			text, err := json.Marshal(e)
			if err != nil {
				return err
			}
			lines.Write(append(escapeHidden(text), '\n'))
			continue
		}
		fmt.Fprintf(&lines, "%s %s %s", e.At.Format("15:04:05.000"), text.Line(e.Server), e.Kind)
		if e.Request != 0 {
			fmt.Fprintf(&lines, " #%d", e.Request)
		}
		if e.Pid != 0 {
			fmt.Fprintf(&lines, " pid %d", e.Pid)
		}
		for _, more := range []string{e.Client, e.Detail} {
			if more != "" {
				lines.WriteString(" " + text.Line(more))
			}
		}
		lines.WriteString("\n")
	}
	if f.Lost > 0 {
		fmt.Fprintf(&lines, "%s lost, as this did not read fast enough\n", text.Counted(f.Lost, "event"))
	}
	_, err := io.WriteString(w, lines.String())
	return err
}
