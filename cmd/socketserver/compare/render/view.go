package render

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/internal/text"
)

// A view is what text, markdown and the page show.
type view struct {
	*result.Report
	Compared    string
	Summary     table
	Chart       *chart // of the first load; nil: nothing was measured
	Sweep       *sweep // nil: there was one number of clients
	Sections    []section
	Matrix      table
	Experiments []experiment
	Facts       []fact // about the environment
}

// A section is one kind of load.
type section struct {
	ID, Title string
	Charts    []*chart
	Tables    []table
}

// A fact has no value if nothing is known.
type fact struct{ Name, Value string }

// An experiment is a mishap, with subjects of equal observations grouped.
type experiment struct {
	Title  string
	Groups []group
}

// A group is the subjects with equal observations.
type group struct {
	Who, What string
	Facts     []fact
}

func (g group) String() string {
	text := g.Who + ": " + g.What
	for _, f := range g.Facts {
		if f.Value != "" {
			text += "; " + f.Name + ": " + f.Value
		}
	}
	return text
}

// newView returns a view in which nothing can act on a terminal.
func newView(r *result.Report) *view {
	r = cleaned(r)
	v := &view{Report: r, Compared: compared(r), Summary: summary(r), Sweep: sweepOf(r), Matrix: matrix(r), Facts: facts(r)}
	if r.Settings.Table != "" {
		v.Summary = stevens(r)
	}
	for i, l := range r.Loads {
		v.Sections = append(v.Sections, section{fmt.Sprintf("load-%d", i+1), cmp.Or(loadTitles[l.Kind], l.Kind), charts(r, l), tables(r, l)})
	}
	for _, s := range v.Sections {
		if v.Chart == nil && len(s.Charts) > 0 {
			first := *s.Charts[0]
			first.Title += ": " + strings.ToLower(s.Title)
			v.Chart = &first
		}
	}
	for _, m := range r.Mishaps {
		v.Experiments = append(v.Experiments, experiment{m.Title, groups(m.Rows)})
	}
	return v
}

var loadTitles = map[string]string{
	result.Connections:   "One request per connection",
	result.Conversations: "Long conversations",
	result.Datagrams:     "One request per datagram",
}

// compared describes what was compared under which load.
func compared(r *result.Report) string {
	s := r.Settings
	what := s.Handler + " over " + s.Network
	if s.Server != "" {
		what += fmt.Sprintf(" (server %q)", s.Server)
	}
	pace := "each client sends its next request on receipt of the answer"
	if s.Rate > 0 {
		pace = result.FormatRate(s.Rate) + " at a fixed pace, latencies from when a request was due"
	}
	ended := ""
	for _, w := range r.Warnings {
		if strings.HasPrefix(w, "interrupted ") {
			ended = " It was " + w + "."
		}
	}
	return fmt.Sprintf("%s: %s, %s, %s of load each in %s, %s.%s", what, text.Counted(len(r.Subjects), "subject"),
		text.Counted(s.Clients, "client"), result.FormatDuration(s.Duration), text.Counted(s.Rounds, "round"), pace, ended)
}

// facts returns what is known about the environment.
func facts(r *result.Report) []fact {
	e, s := r.Environment, r.Settings
	all := []fact{
		{"CPU", e.CPU},
		{"Cores", fmt.Sprint(e.Cores)},
		{"Memory", result.FormatSize(int64(e.Memory))},
		{"Kernel", e.Kernel},
		{"Go", e.Go},
		{"socketserver", e.Version},
		{"Commit", e.Commit},
		{"Python", e.Python},
		{"Time", e.Time.UTC().Format(time.DateTime) + " UTC"},
		{"Clients send", s.Message},
		{"End of an answer", s.Answer},
		{"Timeout", result.FormatDuration(s.Timeout)},
	}
	return slices.DeleteFunc(all, func(f fact) bool { return f.Value == "" })
}

// groups returns groups in the order of their first subjects.
func groups(rows []result.Observation) []group {
	var seen []result.Observation
	subjects := map[result.Observation][]string{}
	for _, o := range rows {
		subject := o.Subject
		o.Subject = ""
		if subjects[o] == nil {
			seen = append(seen, o)
		}
		subjects[o] = append(subjects[o], subject)
	}
	var all []group
	for _, o := range seen {
		g := group{Who: text.And(subjects[o]), What: o.Finding}
		if len(seen) == 1 && len(rows) > 1 {
			g.Who = "all"
		}
		if o.Problem != "" {
			g.What = "not tried: " + o.Problem
		}
		g.Facts = []fact{{"noticed by", o.Noticed}, {"cut off", o.CutOff}, {"server lived", o.Lived}, {"left behind", o.Left}}
		all = append(all, g)
	}
	return all
}

// cleaned returns a copy of r in which nothing can act on a terminal: a part of the report comes from
// outside, as the last log line of a server. All strings are cleaned at once, so that no writer can
// forget one.
func cleaned(r *result.Report) *result.Report {
	c := *r
	rewrite(reflect.ValueOf(&c).Elem(), func(s string) string {
		return strings.ReplaceAll(text.Line(s), "\t", `\t`)
	})
	return &c
}

// rewrite applies visible to all strings below v, and makes nil slices and maps empty ones. Slices
// and maps are replaced, so that the original of v does not change.
func rewrite(v reflect.Value, visible func(string) string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(visible(v.String()))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			rewrite(v.Field(i), visible)
		}
	case reflect.Slice:
		made := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(made, v)
		for i := range made.Len() {
			rewrite(made.Index(i), visible)
		}
		v.Set(made)
	case reflect.Map:
		made := reflect.MakeMap(v.Type())
		for entry := v.MapRange(); entry.Next(); {
			key := reflect.New(v.Type().Key()).Elem()
			key.Set(entry.Key())
			rewrite(key, visible)
			made.SetMapIndex(key, entry.Value())
		}
		v.Set(made)
	}
}
