package result

import (
	"slices"
	"time"
)

// Conclude sets what follows from what was measured and observed: Rate and Cost.CPU of every Measured,
// Comparisons, Ranks, Noisy and Advice, and adds to Warnings. Assertions come from [Condition.Check].
func Conclude(r *Report) {
	r.Comparisons, r.Ranks, r.Advice, r.Noisy = []Comparison{}, []Ranking{}, []Advice{}, false
	for i := range r.Loads {
		l := &r.Loads[i]
		for j := range l.Results {
			if m := &l.Results[j]; len(m.Rounds) > 0 {
				m.Rate, m.Cost.CPU = Median(m.Rounds, func(r Round) float64 { return r.Rate }), m.cpu()
			}
		}
		r.Comparisons = append(r.Comparisons, compareAll(l)...)
		r.Ranks = append(r.Ranks, rank(r, l))
	}
	conclude(r, doubt(r))
}

// AddPoints adds what Loads has to Sweep.
func (r *Report) AddPoints() {
	for _, l := range r.Loads {
		for _, m := range l.Results {
			p := Point{Load: l.Kind, Subject: m.Subject, Clients: r.Settings.Clients}
			if m.Problem == "" {
				p.Rate = Median(m.Rounds, func(r Round) float64 { return r.Rate })
			}
			r.Sweep = append(r.Sweep, p)
		}
	}
}

// cpu returns the time per answered request, of the rounds in which it was measured; less than 0 if
// there are none.
func (d *Measured) cpu() time.Duration {
	var used, requests time.Duration
	for _, r := range d.Rounds {
		if r.CPU >= 0 {
			used += r.CPU
			requests += time.Duration(r.Requests)
		}
	}
	if requests == 0 {
		return -1
	}
	return used / requests
}

// Median returns the median of what of returns for each of the things; 0 if there are none.
func Median[T any, N int64 | float64 | time.Duration](things []T, of func(T) N) N {
	if len(things) == 0 {
		return 0
	}
	var values []N
	for _, t := range things {
		values = append(values, of(t))
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// compareAll compares every subject with the base.
func compareAll(l *Load) []Comparison {
	base := l.base()
	var all []Comparison
	for i := range l.Results {
		subject := &l.Results[i]
		if subject == base {
			continue
		}
		for _, name := range Compared {
			if q, ok := metricNamed(name).compare(subject, base); ok {
				all = append(all, Comparison{l.Kind, name, subject.Subject, base.Subject, q, q.verdict()})
			}
		}
	}
	return all
}

// base returns threading, or the first subject that answered if threading did not.
func (l *Load) base() *Measured {
	var base *Measured
	for _, m := range l.measured() {
		if m.requests() > 0 && (base == nil || m.Subject == "threading") {
			base = m
		}
	}
	return base
}

// find returns the first of all that is wanted, or nil.
func find[T any](all []T, wanted func(*T) bool) *T {
	for i := range all {
		if wanted(&all[i]) {
			return &all[i]
		}
	}
	return nil
}

// load returns nil if there was no such kind of load.
func (r *Report) load(kind string) *Load {
	return find(r.Loads, func(l *Load) bool { return l.Kind == kind })
}

// Of returns nil if the subject is not among the results.
func (l *Load) Of(subject string) *Measured {
	if l == nil {
		return nil
	}
	return find(l.Results, func(m *Measured) bool { return m.Subject == subject })
}

// measured returns the subjects that were measured to the end.
func (l *Load) measured() []*Measured {
	var all []*Measured
	for i := range l.Results {
		if m := &l.Results[i]; m.Problem == "" && len(m.Rounds) > 0 {
			all = append(all, m)
		}
	}
	return all
}

// Observed returns nil if the mishap was not tried on the subject.
func (r *Report) Observed(mishap, subject string) *Observation {
	m := find(r.Mishaps, func(m *Mishap) bool { return m.Name == mishap })
	if m == nil {
		return nil
	}
	return find(m.Rows, func(o *Observation) bool { return o.Subject == subject })
}

// Unmeasured reports whether no subject was measured under any load, and why.
func (r *Report) Unmeasured() (why string, ok bool) {
	for i := range r.Loads {
		l := &r.Loads[i]
		if len(l.measured()) > 0 {
			return "", false
		}
		if len(l.Results) > 0 && why == "" {
			why = l.Results[0].Problem
		}
	}
	return why, true
}

// subject returns a subject by its name; the zero one if there is none.
func (r *Report) subject(name string) Subject {
	if s := find(r.Subjects, func(s *Subject) bool { return s.Name == name }); s != nil {
		return *s
	}
	return Subject{}
}

func (s Subject) usesProcesses() bool { return s.Strategy == "forking" || s.Strategy == "preforking" }
