package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/rivo/uniseg"
	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

// A topAnswer is what the servers of a daemon do, with rates over some seconds.
type topAnswer struct {
	Pid        int         `json:"pid"`
	Since      time.Time   `json:"since"`
	Generation int         `json:"generation"`
	Seconds    float64     `json:"seconds"`
	Servers    []topServer `json:"servers"`
}

type topServer struct {
	Name      string           `json:"name"`
	State     supervisor.State `json:"state"`
	Old       bool             `json:"old"`
	Active    int              `json:"active"`
	Waiting   int              `json:"waiting"`
	Processes int              `json:"processes"`
	Accepted  float64          `json:"accepted_per_second"`
	Refused   float64          `json:"refused_per_second"`
	Failed    float64          `json:"failed_per_second"`
}

// newTopAnswer compares the status with the one before.
func newTopAnswer(before, now statusAnswer, elapsed time.Duration) topAnswer {
	answer := topAnswer{now.Pid, now.Since, now.Generation, elapsed.Seconds(), []topServer{}}
	was := map[string]supervisor.Status{}
	for _, s := range before.Servers {
		was[s.Name] = s
	}
	rate := func(now, before int64) float64 { return float64(now-before) / elapsed.Seconds() }
	for _, s := range now.Servers {
		one := topServer{Name: s.Name, State: s.State, Old: s.Old, Active: s.Active, Waiting: s.Waiting, Processes: len(processes(s))}
		if b, ok := was[s.Name]; ok && !s.Old { // an old one has the same counts
			one.Accepted, one.Refused, one.Failed = rate(s.Accepted, b.Accepted), rate(refusals(s), refusals(b)), rate(s.Failed, b.Failed)
		}
		answer.Servers = append(answer.Servers, one)
	}
	return answer
}

func (a topAnswer) String() string {
	var text strings.Builder
	var accepted, active float64
	for _, s := range a.Servers {
		accepted += s.Accepted
		active += float64(s.Active)
	}
	fmt.Fprintf(&text, "pid %d, up %s, generation %d: %.0f accepted/s, %.0f under way\n\n", a.Pid, age(a.Since), a.Generation, accepted, active)
	table := newTable(&text, topHead)
	a.rows(table)
	_ = table.Flush()
	return text.String()
}

const topHead = "SERVER\tSTATE\tREQUESTS\tWAITING\tACCEPTED/S\tREFUSED/S\tFAILED/S\tPROCESSES"

// rows writes a row for each server, which begins with first.
func (a topAnswer) rows(table io.Writer, first ...any) {
	rate := func(perSecond float64) string { return fmt.Sprintf("%.0f", perSecond) }
	for _, s := range a.Servers {
		writeRow(table, append(slices.Clip(first), s.Name, s.State, s.Active, s.Waiting, rate(s.Accepted), rate(s.Refused), rate(s.Failed), s.Processes)...)
	}
}

// errShown ends a stream of which enough was shown.
var errShown = errors.New("shown")

func newTop() *cobra.Command {
	var once, asJSON, all bool
	var interval time.Duration
	c := &cobra.Command{
		Use:   "top [--once] [--json] [--interval D] [--all]",
		Short: "Show what the servers do, again and again",
		Long:  "Show a table of the servers with rates, once a second, until ^C. Where the output is no terminal\nthere is a block for each interval.",
		Args:  noArguments,
	}
	path := addAdminFlag(c)
	c.Flags().BoolVar(&once, "once", false, "show the rates of one interval, and end")
	c.Flags().BoolVar(&asJSON, "json", false, "a JSON object for each interval")
	c.Flags().DurationVar(&interval, "interval", time.Second, "how long rates are measured")
	c.Flags().BoolVar(&all, "all", false, "of all daemons of the cluster")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if interval < frameInterval {
			return usage("--interval %s: take %s or more", interval, frameInterval)
		}
		rates := rates{c.OutOrStdout(), interval, once, asJSON}
		if all {
			err = askAgain(c, path, interval, between(rates, ratesOf))
		} else {
			take := between(rates, newTopAnswer)
			err = follow(path, func(f eventFrame) error { return take(f.Status) })
		}
		if errors.Is(err, errShown) {
			return nil
		}
		return err
	}
	return c
}

// rates are how top shows them.
type rates struct {
	to           io.Writer
	interval     time.Duration
	once, asJSON bool
}

// between returns what is called with each status, and shows the rates of each interval.
func between[S any, R fmt.Stringer](r rates, of func(before, now S, elapsed time.Duration) R) func(S) error {
	var before S
	var measured time.Time
	return func(status S) error {
		now := time.Now()
		elapsed, first := now.Sub(measured), measured.IsZero()
		if !first && elapsed < r.interval {
			return nil
		}
		earlier := before
		before, measured = status, now
		if first {
			return nil
		}
		if err := showTop(r.to, of(earlier, status, elapsed), r.asJSON); err != nil || !r.once {
			return err
		}
		return errShown
	}
}

// showTop prints an answer. On a terminal it replaces the one before.
func showTop(w io.Writer, a fmt.Stringer, asJSON bool) error {
	if asJSON {
		return printJSON(w, a)
	}
	text := a.String() + "\n"
	if f, ok := w.(*os.File); ok && term.IsTerminal(f.Fd()) {
		columns, rows, err := term.GetSize(f.Fd())
		if err != nil {
			return err
		}
		text = "\x1b[H\x1b[2J" + fitting(a.String(), columns, rows)
	}
	_, err := io.WriteString(w, text)
	return err
}

// fitting cuts text to a number of columns and rows. The last row has no newline.
func fitting(text string, columns, rows int) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	lines = lines[:min(len(lines), max(rows, 1))]
	for i, line := range lines {
		lines[i] = firstColumns(line, columns)
	}
	return strings.Join(lines, "\n")
}

func firstColumns(line string, columns int) string {
	var kept strings.Builder
	for state := -1; line != ""; {
		var cluster string
		var width int
		cluster, line, width, state = uniseg.FirstGraphemeClusterInString(line, state)
		if columns -= width; columns < 0 {
			break
		}
		kept.WriteString(cluster)
	}
	return strings.TrimRight(kept.String(), " ")
}
