package result

import (
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

	// nearly is the share of the pace that counts as keeping it.
	nearly = 0.95
)

// doubt adds the reasons for which not all of the report can be trusted, and returns those for
// which its differences may be chance.
func doubt(r *Report) (noise []string) {
	warn := func(l *Load, text string) {
		if text = l.Kind + ": " + text; !slices.Contains(r.Warnings, text) {
			r.Warnings = append(r.Warnings, text)
		}
	}
	for i := range r.Loads {
		l := &r.Loads[i]
		for _, text := range []string{fewRounds(l), wideIntervals(r, l), busyOthers(l)} {
			if text != "" {
				warn(l, text)
				noise = append(noise, l.Kind+": "+text)
			}
		}
		for _, m := range l.measured() {
			if why := r.unplaced(l, m); why != "" && len(m.Rounds) >= leastRounds {
				warn(l, m.Subject+" has no place: "+why)
			}
		}
		if text := busyGenerator(l); text != "" {
			warn(l, text)
		}
	}
	r.Noisy = len(noise) > 0
	return noise
}

func fewRounds(l *Load) string {
	all := l.measured()
	if len(all) == 0 || len(all[0].Rounds) >= leastRounds {
		return ""
	}
	return fmt.Sprintf("with %s nothing can be told apart; use --rounds %d or more", Counted(len(all[0].Rounds), "round"), leastRounds)
}

// wideIntervals names the subjects whose rates differ too much from round to round.
func wideIntervals(r *Report, l *Load) string {
	var names []string
	base := ""
	for _, c := range r.Comparisons {
		if c.Load == l.Kind && c.Metric == "rate" && c.Ratio.undecided() {
			names, base = append(names, c.Subject), c.Base
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("the rounds differ too much to tell %s from %s; use a longer --duration, more --rounds or a quieter machine", List(names), base)
}

func busyOthers(l *Load) string {
	share := 0.0
	for _, m := range l.Results {
		known := slices.DeleteFunc(slices.Clone(m.Rounds), func(r Round) bool { return r.Others < 0 })
		share = max(share, Median(known, func(r Round) float64 { return r.Others }))
	}
	if share <= tooMuchForOthers {
		return ""
	}
	return fmt.Sprintf("other programs used up to %s of the machine meanwhile; stop them, or use a quieter machine", percent(share))
}

func busyGenerator(l *Load) string {
	var names []string
	for _, m := range l.Results {
		if Median(m.Rounds, func(r Round) float64 { return r.Generator }) > tooMuchForGenerator {
			names = append(names, m.Subject)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("the load generator used more than %s of the machine, so that it was the limit with %s, "+
		"which could answer more; compare the CPU per request, or use a machine with more cores", percent(tooMuchForGenerator), List(names))
}

// unplaced returns why a measured subject has no place; empty: it has one.
func (r *Report) unplaced(l *Load, m *Measured) string {
	var why []string
	silent := slices.DeleteFunc(slices.Clone(m.Rounds), func(r Round) bool { return r.Rate > 0 })
	if len(silent) > 0 {
		why = append(why, fmt.Sprintf("nothing was answered in %d of %s", len(silent), Counted(len(m.Rounds), "round")))
	}
	if failed, answered := float64(m.failed()), float64(m.requests()); 99*failed > answered {
		why = append(why, percent(failed/(failed+answered))+" of its requests failed")
	}
	// Serving few is easy. Under other kinds of load such a client was only unlucky.
	if l.Kind == Conversations && m.Unserved > 0 {
		why = append(why, fmt.Sprintf("%d of %s got no answer from %s", m.Unserved, Counted(r.Settings.Clients, "client"), r.concurrency(m.Subject)))
	}
	if asked := r.Settings.Rate; m.Rate < nearly*asked {
		why = append(why, fmt.Sprintf("it answered %s of the required %s", perSecond.format(m.Rate), perSecond.format(asked)))
	}
	metric := r.Settings.order().metric
	if _, ok := metric.compare(m, m); !ok && len(why) == 0 {
		_, unknown := metric.value(m)
		if unknown == "" {
			unknown = "too little was answered in a round"
		}
		why = append(why, fmt.Sprintf("its %s is not known: %s; use a longer --duration", metric.name, unknown))
	}
	return strings.Join(why, ", and ")
}

// concurrency returns the block of a subject, which has its limit.
func (r *Report) concurrency(subject string) string {
	for _, s := range r.Subjects {
		if s.Name == subject && s.Concurrency != "" {
			return s.Concurrency
		}
	}
	return "it"
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }
