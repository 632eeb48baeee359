package render

import (
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// stevens returns the table of chapter 30 of Unix Network Programming: the CPU time of a request in the
// iterative server, and what the others need beyond that.
func stevens(r *result.Report) table {
	families := []struct{ name, iterative string }{
		{"socketserver", "synchronous"},
		{"CPython", "CPython TCPServer"},
		{"free-threaded", "free-threaded CPython TCPServer"},
		{result.Xinetd, "synchronous"},
		{result.Systemd, "synchronous"},
	}
	rows := []struct{ name, strategy string }{
		{"iterative", "synchronous"},
		{"a process for each client", "forking"},
		{"preforked, accept in each", "preforking"},
		{"a thread for each client", "threading"},
		{"prethreaded, accept in each", "prethreading"},
		{"preforked, descriptor passing", "passing"},
	}
	t := table{Head: []string{"CPU for a request"}}
	var load result.Load
	if len(r.Loads) > 0 {
		load = r.Loads[0]
	}
	cpu := func(name string) float64 {
		if m := load.Of(name); m != nil && measured(*m) {
			v, _ := m.Number("cpu")
			return v
		}
		return -1
	}
	for _, row := range rows {
		t.Rows = append(t.Rows, []string{row.name})
	}
	for _, f := range families {
		of := func(s result.Subject) bool { return family(s) == f.name }
		if !slices.ContainsFunc(r.Subjects, of) {
			continue
		}
		t.Head = append(t.Head, f.name)
		for i, row := range rows {
			text := "-"
			for _, s := range r.Subjects {
				strategy := s.Strategy
				if strings.Contains(s.Name, "max_requests") {
					strategy = "passing"
				}
				if of(s) && strategy == row.strategy {
					text = beyond(cpu(s.Name), cpu(f.iterative), s.Name == f.iterative)
				}
			}
			t.Rows[i] = append(t.Rows[i], text)
		}
	}
	t.Notes = []string{
		"As in chapter 30 of Unix Network Programming: what a request needs beyond the iterative server of the same column; xinetd and systemd, which start cat, beyond that of socketserver.",
		"A thread of socketserver is a goroutine, and its preforked processes have many at once. Descriptor passing is forking, max_requests = 100, spares = 4.",
	}
	return t
}

func family(s result.Subject) string {
	switch {
	case s.Form == result.Compiled:
		return "socketserver"
	case strings.HasPrefix(s.Name, "free-threaded "):
		return "free-threaded"
	case s.Form == result.Python:
		return "CPython"
	}
	return s.Form
}

func beyond(v, base float64, iterative bool) string {
	switch {
	case v < 0 || base < 0 && !iterative:
		return "-"
	case iterative:
		return result.FormatNanoseconds(v)
	case v < base:
		return "-" + result.FormatNanoseconds(base-v)
	}
	return "+" + result.FormatNanoseconds(v-base)
}
