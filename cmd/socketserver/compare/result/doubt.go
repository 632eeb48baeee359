package result

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/internal/text"
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
	for i := range r.Loads {
		l := &r.Loads[i]
		warn := func(format string, args ...any) string {
			text := l.Kind + ": " + fmt.Sprintf(format, args...)
			if !slices.Contains(r.Warnings, text) {
				r.Warnings = append(r.Warnings, text)
			}
			return text
		}
		all := l.measured()
		if len(all) > 0 && len(all[0].Rounds) < LeastRounds {
			noise = append(noise, warn("with %s nothing can be told apart; use --rounds %d or more", text.Counted(len(all[0].Rounds), "round"), LeastRounds))
		}
		if names, base := undecided(r, l); len(names) > 0 {
			noise = append(noise, warn("the rounds differ too much to tell %s from %s; use a longer --duration, more --rounds or a quieter machine",
				text.And(names), base))
		}
		if share := othersShare(l); share > tooMuchForOthers {
			noise = append(noise, warn("other programs used up to %s of the machine meanwhile; stop them, or use a quieter machine", percent(share)))
		}
		for _, m := range all {
			if why := r.unplaced(l, m); why != "" && len(m.Rounds) >= LeastRounds {
				warn("%s has no place: %s", m.Subject, why)
			}
		}
		if names := limitedByGenerator(l); len(names) > 0 {
			warn("the load generator used more than %s of the machine, so that it was the limit with %s, which could answer more; "+
				"compare the CPU per request, or use a machine with more cores", percent(tooMuchForGenerator), text.And(names))
		}
	}
	r.Noisy = len(noise) > 0
	return noise
}

// undecided returns the subjects with rates that differ too much from round to round, and the base.
func undecided(r *Report, l *Load) (names []string, base string) {
	for _, c := range r.Comparisons {
		if c.Load == l.Kind && c.Metric == "rate" && c.Ratio.undecided() {
			names, base = append(names, c.Subject), c.Base
		}
	}
	return names, base
}

// othersShare returns the largest share of the machine that other programs used beside a subject.
func othersShare(l *Load) (share float64) {
	for _, m := range l.Results {
		known := slices.DeleteFunc(slices.Clone(m.Rounds), func(r Round) bool { return r.Others < 0 })
		share = max(share, Median(known, func(r Round) float64 { return r.Others }))
	}
	return share
}

func limitedByGenerator(l *Load) (names []string) {
	for _, m := range l.Results {
		if Median(m.Rounds, func(r Round) float64 { return r.Generator }) > tooMuchForGenerator {
			names = append(names, m.Subject)
		}
	}
	return names
}

// unplaced returns why a measured subject has no place; empty: it has one.
func (r *Report) unplaced(l *Load, m *Measured) string {
	var why []string
	silent := slices.DeleteFunc(slices.Clone(m.Rounds), func(r Round) bool { return r.Rate > 0 })
	if len(silent) > 0 {
		why = append(why, fmt.Sprintf("nothing was answered in %d of %s", len(silent), text.Counted(len(m.Rounds), "round")))
	}
	if failed, answered := float64(m.failed()), float64(m.requests()); 99*failed > answered {
		why = append(why, percent(failed/(failed+answered))+" of its requests failed")
	}
	// Serving few is easy. Under other kinds of load such a client was only unlucky.
	if l.Kind == Conversations && m.Unserved > 0 {
		why = append(why, fmt.Sprintf("%d of %s got no answer", m.Unserved, text.Counted(r.Settings.Clients, "client")))
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

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }
