package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// loadTitle is what a kind of load is called.
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

// compared says what was compared under which load.
func compared(r *result.Report) string {
	s := r.Settings
	what := s.Handler + " over " + s.Network
	if s.Server != "" {
		what += fmt.Sprintf(" (server %q)", s.Server)
	}
	return fmt.Sprintf("%s: %s, %s, %s of load each in %s, %s.", what, plural(len(r.Subjects), "subject"),
		plural(s.Clients, "client"), duration(s.Duration), plural(s.Rounds, "round"), pace(s.Rate))
}

func pace(perSecond float64) string {
	if perSecond <= 0 {
		return "each client sends when it has its answer"
	}
	return rate(perSecond) + " at a fixed pace, latencies from when a request was due"
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// answers say, load by load, which subjects have the first place and which the last.
func answers(r *result.Report) []string {
	var all []string
	if r.Noisy {
		all = append(all, "The machine was too noisy, or the rounds too few, to tell: what follows may be chance, see the warnings.")
	}
	for _, ranking := range r.Ranks {
		i := slices.IndexFunc(r.Loads, func(l result.Load) bool { return l.Kind == ranking.Load })
		if i < 0 {
			continue
		}
		text := "nothing was measured"
		names := unplaced(r.Loads[i], ranking.Places)
		switch {
		case len(ranking.Places) > 0:
			text = answer(r.Loads[i], ranking)
			if len(names) > 0 {
				text += "; without a place, see the warnings: " + join(names)
			}
		case len(names) > 0:
			text = "nobody has a place, see the warnings"
		}
		all = append(all, loadTitle(ranking.Load)+": "+text+".")
	}
	return all
}

// answer does not call those in the last place the slowest: all that they are certain to be is
// slower than somebody above.
func answer(l result.Load, ranking result.Ranking) string {
	places := ranking.Places
	best, last := places[0], places[len(places)-1]
	with := func(subjects []string) string { return spread(l, ranking.Metric, subjects) }
	switch {
	case len(places) == 1 && len(best) == 1:
		return best[0] + " alone has a place, with " + with(best)
	case len(places) == 1:
		return join(best) + " share a place, with " + with(best)
	case len(best) > 1:
		return join(best) + " share the first place with " + with(best) + ", " + join(last) + " in the last with " + with(last)
	}
	return join(best) + " in the first place with " + with(best) + ", " + join(last) + " in the last with " + with(last)
}

// unplaced are those that were measured and have no place. Warnings say why.
func unplaced(l result.Load, places [][]string) []string {
	var names []string
	for _, m := range l.Results {
		if m.Problem == "" && !slices.Contains(slices.Concat(places...), m.Subject) {
			names = append(names, m.Subject)
		}
	}
	return names
}

// spread is from the least to the most of some subjects: of their rates, or where they are in
// order of that of their p99.
func spread(l result.Load, metric string, subjects []string) string {
	of, show := func(m result.Measured) float64 { return m.Rate }, rate
	if metric == "p99" {
		of = func(m result.Measured) float64 { return float64(m.Latency.P99) }
		show = func(v float64) string { return "a p99 of " + duration(time.Duration(v)) }
	}
	var found []float64
	for _, m := range l.Results {
		if slices.Contains(subjects, m.Subject) {
			found = append(found, of(m))
		}
	}
	if len(found) == 0 {
		return "an unknown " + metric
	}
	low, high := show(slices.Min(found)), show(slices.Max(found))
	if low == high {
		return low
	}
	return low + " to " + strings.TrimPrefix(high, "a p99 of ")
}

// join is as in a, b and c.
func join(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// A fact is a line of what is known of where a comparison ran.
type fact struct{ Name, Value string }

// facts leave out what is not known.
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
	all = append(all, fact{"Clients send", s.Message}, fact{"An answer ends with", ending(s.Answer)})
	if s.Timeout > 0 {
		all = append(all, fact{"Given up after", duration(s.Timeout)})
	}
	return slices.DeleteFunc(all, func(f fact) bool { return f.Value == "" })
}

func ending(answer string) string {
	switch answer {
	case "line":
		return "its line"
	case "chunk":
		return "what one read brings"
	case "eof":
		return "the connection"
	}
	return answer
}
