package result

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// mostAdvice is how many sentences are read.
const mostAdvice = 6

// rules make the advice, the most important first. A rule returns a sentence, or nothing where
// the report gives no reason for it. A difference is named only where a verdict says so. Of
// whatever was measured at all, fastest, latency and certainty have something to say.
var rules = []func(*evidence) string{
	nothing, fastest, survival, isolation, starvation, pluginForm, peers, footprint, capacity, spares, workers, state,
	latency, cost, certainty,
}

// advise lets the rules speak.
func advise(r *Report) {
	for _, rule := range rules {
		e := &evidence{report: r}
		if text := rule(e); text != "" && !e.missing && len(r.Advice) < mostAdvice {
			r.Advice = append(r.Advice, Advice{strings.ToUpper(text[:1]) + text[1:] + ".", e.rests})
		}
	}
}

// evidence collects what a sentence rests on while it is being written. A sentence that wanted
// a number that is missing is not used.
type evidence struct {
	report  *Report
	rests   []string
	missing bool
}

func (e *evidence) rest(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(e.rests, text) {
		e.rests = append(e.rests, text)
	}
}

// number returns a value in the words of the sentence.
func (e *evidence) number(load, metric, subject string) string {
	o := operand{subject: subject, load: load, metric: metricNamed(metric)}
	v, shown, known := o.value(e.report, load)
	if !known {
		e.missing = true
		return ""
	}
	e.rest("%s", shown)
	return o.metric.unit.format(v)
}

func (e *evidence) numbers(load, metric string, subjects []string) string {
	var all []string
	for _, s := range subjects {
		all = append(all, e.number(load, metric, s))
	}
	return list(all)
}

// shown is as in: 100/s with threading and 10/s with forking.
func (e *evidence) shown(l *Load, metric string, subjects []string) string {
	var all []string
	for _, s := range subjects {
		all = append(all, e.number(l.Kind, metric, s)+" with "+s)
	}
	return list(all)
}

// between is the least and the most of the values of some subjects, who all have one.
func (e *evidence) between(l *Load, metric string, subjects []string) string {
	of := func(name string) float64 { return metricNamed(metric).of(l.of(name)) }
	by := func(a, b string) int { return cmp.Compare(of(a), of(b)) }
	low := e.number(l.Kind, metric, slices.MinFunc(subjects, by))
	high := e.number(l.Kind, metric, slices.MaxFunc(subjects, by))
	if low == high {
		return low
	}
	return low + " to " + high
}

// underEach joins what a rule says of each load under which anything was measured.
func (e *evidence) underEach(say func(*Load) string) string {
	var clauses []string
	for i := range e.report.Loads {
		l := &e.report.Loads[i]
		if len(l.measured()) == 0 {
			continue
		}
		if clause := say(l); clause != "" {
			clauses = append(clauses, "under "+l.Kind+" "+clause)
		}
	}
	return strings.Join(clauses, "; ")
}

func subjects(all []*Measured) []string {
	var names []string
	for _, m := range all {
		names = append(names, m.Subject)
	}
	return names
}

// ratio returns how many times the base's value the subject's is. It rests on nothing before
// it is used.
func (e *evidence) ratio(load, metric, subject, base string) (Ratio, bool) {
	l := e.report.load(load)
	return metricNamed(metric).compare(l.of(subject), l.of(base))
}

// times returns a ratio in the words of the sentence.
func (e *evidence) times(q Ratio, load, metric, subject, base string) string {
	interval := fmt.Sprintf("%s to %s", count.format(q.Low), count.format(q.High))
	e.rest("%s.%s.%s / %s.%s.%s = %s (%s)", subject, load, metric, base, load, metric, count.format(q.Value), interval)
	return fmt.Sprintf("%s times (%s)", count.format(q.Value), interval)
}

// verdict is that on the two, and empty where there is none: fewer rounds than it takes,
// rounds that differ too much, or requests that failed. Of rates that were asked for there is
// none.
func (e *evidence) verdict(load, metric, subject, base string) string {
	if metric == "rate" && e.report.Settings.Rate > 0 {
		return ""
	}
	q, ok := e.ratio(load, metric, subject, base)
	l := e.report.load(load)
	if !ok || q.undecided() || l.of(subject).failing() || l.of(base).failing() {
		return ""
	}
	return q.verdict()
}

// own are the subjects to choose from: Python's are there to compare with.
func (e *evidence) own() []Subject {
	return slices.DeleteFunc(slices.Clone(e.report.Subjects), func(s Subject) bool { return s.Form == Python })
}

// subject returns the name of the first that matches; empty: none does.
func (e *evidence) subject(match func(Subject) bool) string {
	if i := slices.IndexFunc(e.report.Subjects, match); i >= 0 {
		return e.report.Subjects[i].Name
	}
	return ""
}

// plain is the subject of a strategy that neither reuses processes nor keeps some started.
func (e *evidence) plain(strategy, form string) string {
	return e.subject(func(s Subject) bool {
		return s.Strategy == strategy && s.Form == form && !s.reuses() && s.option("spares") == 0
	})
}

// form is the one in which the strategies are compared with each other.
func (e *evidence) form() string {
	if e.plain("threading", Compiled) != "" {
		return Compiled
	}
	return Plugin
}

func (s Subject) reuses() bool { return s.option("max_requests") > 1 }

// perRequest is the load under which forking has a process for each request.
func (e *evidence) perRequest() string {
	if e.report.load(Connections) != nil {
		return Connections
	}
	return Datagrams
}
