package result

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const (
	// tooMuchForOthers is the share of the machine beyond which other programs may cause the
	// differences between subjects.
	tooMuchForOthers = 0.2

	// tooMuchForGenerator is the share beyond which the load generator, not the subject, limits
	// the rate.
	tooMuchForGenerator = 0.6
)

// doubt adds the reasons for which not all of the report can be trusted, and returns those for
// which its differences may be chance.
func doubt(r *Report) (noise []string) {
	for i := range r.Loads {
		l := &r.Loads[i]
		for _, text := range []string{fewRounds(l), wideIntervals(r, l), busyOthers(l)} {
			if text != "" {
				r.Noisy = true
				r.warn(text)
				noise = append(noise, text)
			}
		}
		withoutPlace(r, l, &r.Ranks[i])
		for _, text := range []string{busyGenerator(l), leftOut(r, l), slowStart(r, l)} {
			if text != "" {
				r.warn(text)
			}
		}
	}
	return noise
}

func (r *Report) warn(text string) {
	if !slices.Contains(r.Warnings, text) {
		r.Warnings = append(r.Warnings, text)
	}
}

func fewRounds(l *Load) string {
	most := 0
	for _, m := range l.Results {
		most = max(most, len(m.Rounds))
	}
	if most == 0 || most >= leastRounds {
		return ""
	}
	return fmt.Sprintf("%s: with %s nothing can be told apart; use --rounds %d or more", l.Kind, Counted(most, "round"), leastRounds)
}

// wideIntervals names the subjects whose rates differ too much from round to round.
func wideIntervals(r *Report, l *Load) string {
	var names []string
	var widest Comparison
	for _, c := range r.Comparisons {
		if c.Load != l.Kind || c.Metric != "rate" || !c.Ratio.undecided() {
			continue
		}
		names = append(names, c.Subject)
		if widest.Subject == "" || c.Ratio.High*widest.Ratio.Low > widest.Ratio.High*c.Ratio.Low {
			widest = c
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: the rounds differ too much to tell %s from %s (%s may have anything from %s to %s times its rate); "+
		"use a longer --duration, more --rounds or a quieter machine",
		l.Kind, List(names), widest.Base, widest.Subject, count.format(widest.Ratio.Low), count.format(widest.Ratio.High))
}

func busyOthers(l *Load) string {
	share := 0.0
	for _, m := range l.Results {
		known := slices.DeleteFunc(slices.Clone(m.Rounds), func(r Round) bool { return r.Others < 0 })
		if len(known) > 0 {
			share = max(share, medianOf(known, func(r Round) float64 { return r.Others }))
		}
	}
	if share <= tooMuchForOthers {
		return ""
	}
	return fmt.Sprintf("%s: other programs used up to %s of the machine meanwhile; stop them, or use a quieter machine", l.Kind, percent(share))
}

func busyGenerator(l *Load) string {
	var names []string
	for _, m := range l.Results {
		if len(m.Rounds) > 0 && medianOf(m.Rounds, func(r Round) float64 { return r.Generator }) > tooMuchForGenerator {
			names = append(names, m.Subject)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: the load generator used more than %s of the machine, so that it was the limit with %s, "+
		"which could answer more; compare the CPU per request, or use a machine with more cores", l.Kind, percent(tooMuchForGenerator), List(names))
}

// leftOut names the limits that kept clients of conversations waiting for a whole round. Under other
// kinds of load a client without an answer was only unlucky.
func leftOut(r *Report, l *Load) string {
	var parts []string
	for _, s := range r.Subjects {
		if knob, most := r.bound(s); l.left(s) > 0 && knob != "" && r.Settings.Clients > most {
			parts = append(parts, fmt.Sprintf("%s left %d out (%s is %d)", s.Name, l.left(s), knob, most))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: not all of the %s got an answer: %s; raise that, or use fewer --clients", l.Kind, Counted(r.Settings.Clients, "client"), strings.Join(parts, ", "))
}

// slowStart names the subjects that had no process yet for some clients, below their limit.
func slowStart(r *Report, l *Load) string {
	var parts []string
	for _, s := range r.Subjects {
		if _, most := r.bound(s); l.left(s) > 0 && s.Strategy == "forking" && r.Settings.Clients <= most {
			parts = append(parts, fmt.Sprintf("%s left %d out", s.Name, l.left(s)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: not all of the %s got an answer, as starting a process for each took longer than a round: %s; use a longer --duration",
		l.Kind, Counted(r.Settings.Clients, "client"), strings.Join(parts, ", "))
}

// left returns the number of clients that the subject left out of conversations.
func (l *Load) left(s Subject) int {
	m := l.of(s.Name)
	if l.Kind != Conversations || m == nil || m.Problem != "" {
		return 0
	}
	return m.Unserved
}

// bound returns the option that limits the conversations of the subject at once, and its value: of
// several, the lowest. An empty knob means that there is none to raise.
func (r *Report) bound(s Subject) (knob string, most int) {
	const maxChildren = 40 // the default
	switch {
	case s.Form == Python || s.Strategy == "synchronous":
		return "", 0
	case s.Strategy == "forking":
		knob, most = "max_children", cmp.Or(s.option("max_children"), maxChildren)
	case s.Strategy == "threading" && s.option("max_threads") > 0:
		knob, most = "max_threads", s.option("max_threads")
	}
	if limit := r.Settings.Connections; limit > 0 && (knob == "" || limit < most) {
		return "limits.connections", limit
	}
	return knob, most
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }
