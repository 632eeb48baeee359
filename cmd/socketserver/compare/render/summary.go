package render

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// summary returns the one table that is always shown: rates under each load, the price, and which
// clients are cut off when a handler ends its process.
func summary(r *result.Report) table {
	t := table{Head: []string{""}, Pictures: map[string]string{}}
	var loads []result.Load
	placed := map[string]map[string]string{}
	for _, l := range r.Loads {
		if slices.ContainsFunc(l.Results, measured) {
			loads, placed[l.Kind] = append(loads, l), places(r, l.Kind)
			t.Head = append(t.Head, heads[l.Kind])
		}
	}
	var others []string // of the first load
	switch len(loads) {
	case 0:
	case 1:
		t.Head[1], others = "rate", []string{"p99", "cpu"}
	default:
		others = []string{"p99"}
		t.Notes = append(t.Notes, "Requests per second: short has a connection for each request, long one for each client; p99 is with short.")
	}
	t.Head = append(t.Head, others...)
	if len(r.Mishaps) > 0 {
		t.Head = append(t.Head, "exit")
		t.Notes = append(t.Notes, "exit: which clients are cut off if a handler ends its process, or the server ends.")
	}
	unplaced := false
	for _, s := range r.Subjects {
		row := []string{s.Name}
		for _, l := range loads {
			text := "-"
			if m := l.Of(s.Name); m != nil && measured(*m) {
				if text = m.Text("rate"); placed[l.Kind][s.Name] == "" {
					text, unplaced = text+"*", true
				}
			}
			row = append(row, text)
		}
		for _, metric := range others {
			text := "-"
			if m := loads[0].Of(s.Name); m != nil && measured(*m) {
				text = m.Text(metric)
			}
			row = append(row, text)
		}
		if len(r.Mishaps) > 0 {
			row = append(row, harm(r, "exit", s.Name))
		}
		t.Rows, t.Pictures[s.Name] = append(t.Rows, row), s.Picture
	}
	for _, l := range r.Loads { // the further reasons are in the details
		if i := slices.IndexFunc(l.Results, func(m result.Measured) bool { return m.Problem != "" }); i >= 0 {
			t.Notes = append(t.Notes, l.Results[i].Subject+": "+l.Results[i].Problem)
			break
		}
	}
	if unplaced {
		t.Notes = append(t.Notes, "A rate with * left requests or clients without an answer, or is not certain.")
	}
	return t
}

// heads are the names of the columns with rates.
var heads = map[string]string{result.Connections: "short", result.Conversations: "long", result.Datagrams: "datagrams"}

// harms are the words of a matrix for the clients that a mishap cut off.
var harms = map[string]string{
	"nobody": "-", "that client": "one", "clients of its process": "some", "every client": "all",
}

// harm returns what a mishap did under a subject, in a word of the matrix.
func harm(r *result.Report, mishap, subject string) string {
	o := r.Observed(mishap, subject)
	switch {
	case o == nil || o.Problem != "":
		return "?"
	case o.Lived != "yes" && mishap != "shutdown" && mishap != "kill":
		return "ends"
	}
	if word, ok := traces[o.Finding]; ok && o.CutOff == "nobody" {
		return word
	}
	if word, ok := harms[o.CutOff]; ok {
		return word
	}
	return o.CutOff
}

// traces are the words for findings that cut nobody off.
var traces = map[string]string{
	"the second waited for the first":      "wait",
	"the next client waited for its turn":  "wait",
	"one for all requests":                 "kept",
	"every later request saw it":           "kept",
	"kept by its process":                  "kept",
	"each process had its own":             "split",
	"later requests in its process saw it": "split",
}

// matrix returns the harm of each mishap under each subject, which its column has the number of.
func matrix(r *result.Report) table {
	t := table{Title: "In a word", Head: []string{""}}
	var names []string
	for i := range r.Subjects {
		t.Head = append(t.Head, strconv.Itoa(i+1))
		names = append(names, t.Head[i+1]+" "+r.Subjects[i].Name)
	}
	t.Notes = []string{strings.Join(names, "; ") + ".", "-: nobody is cut off; one: the client of that request; some: those of its process; all; ends: the server ends; " +
		"wait: the next client waits; kept: later requests find what it left; split: those in its process do; ?: not tried."}
	for _, m := range r.Mishaps {
		row := []string{m.Name}
		for _, s := range r.Subjects {
			row = append(row, harm(r, m.Name, s.Name))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
