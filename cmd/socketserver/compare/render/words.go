package render

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// loadTitle returns the title of a kind of load.
func loadTitle(kind string) string {
	switch kind {
	case result.Connections:
		return "One request per connection"
	case result.Conversations:
		return "Long conversations"
	case result.Datagrams:
		return "One request per datagram"
	}
	return kind
}

// compared describes what was compared under which load.
func compared(r *result.Report) string {
	s := r.Settings
	what := s.Handler + " over " + s.Network
	if s.Server != "" {
		what += fmt.Sprintf(" (server %q)", s.Server)
	}
	text := fmt.Sprintf("%s: %s, %s, %s of load each in %s, %s.", what, result.Counted(len(r.Subjects), "subject"),
		result.Counted(s.Clients, "client"), duration(s.Duration), result.Counted(s.Rounds, "round"), pace(s.Rate))
	for _, s := range r.Subjects {
		if n := s.MaxRequests(); n > 1 {
			text += fmt.Sprintf(" %s is %s, max_requests = %d.", s.Name, s.Strategy, n)
		}
	}
	return text
}

func pace(perSecond float64) string {
	if perSecond <= 0 {
		return "each client sends its next request on receipt of the answer"
	}
	return rate(perSecond) + " at a fixed pace, latencies from when a request was due"
}

// A fact is a line about the environment.
type fact struct{ Name, Value string }

// facts returns what is known about the environment.
func facts(r *result.Report) []fact {
	e, s := r.Environment, r.Settings
	all := []fact{{"CPU", e.CPU}}
	if e.Cores > 0 {
		all = append(all, fact{"Cores", fmt.Sprint(e.Cores)})
	}
	if e.Memory > 0 {
		all = append(all, fact{"Memory", size(int64(e.Memory))})
	}
	all = append(all, fact{"Kernel", e.Kernel}, fact{"Go", e.Go}, fact{"socketserver", e.Version},
		fact{"Commit", e.Commit}, fact{"Python", e.Python})
	if !e.Time.IsZero() {
		all = append(all, fact{"Time", e.Time.UTC().Format(time.DateTime) + " UTC"})
	}
	all = append(all, fact{"Clients send", s.Message}, fact{"End of an answer", ending(s.Answer)})
	if s.Timeout > 0 {
		all = append(all, fact{"Timeout", duration(s.Timeout)})
	}
	return slices.DeleteFunc(all, func(f fact) bool { return f.Value == "" })
}

func ending(answer string) string {
	switch answer {
	case "line":
		return "its newline"
	case "chunk":
		return "that of one read"
	case "eof":
		return "that of the connection"
	}
	return answer
}
