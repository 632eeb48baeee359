package result

import (
	"slices"
	"strconv"
	"strings"
)

// A metric is a number of a subject under a load.
type metric struct {
	name string
	unit *unit
	// of returns the value; less than 0: not known.
	of func(*Measured) float64
	// round returns the value in one round, for metrics that are compared round by round; 0: none;
	// less than 0: not known. It is nil for others.
	round func(Round) float64
	// zero means that 0 is a value, not the lack of one.
	zero bool
	// doubt returns why a measured value is not reliable; empty, or a nil doubt: it is.
	doubt func(*Measured) string
}

var metrics = []metric{
	{name: "rate", unit: perSecond, zero: true, of: func(m *Measured) float64 { return m.Rate }, round: func(r Round) float64 { return r.Rate }},
	percentileRanks[0].metric(),
	percentileRanks[1].metric(),
	percentileRanks[2].metric(),
	percentileRanks[3].metric(),
	percentileRanks[4].metric(),
	{name: "cpu", unit: nanoseconds, of: func(m *Measured) float64 { return float64(m.Cost.CPU) }, round: Round.cpu},
	{name: "memory", unit: size, of: func(m *Measured) float64 { return float64(m.Cost.Proportional) }},
	{name: "resident", unit: size, of: func(m *Measured) float64 { return float64(m.Cost.Resident) }},
	{name: "errors", unit: count, zero: true, of: (*Measured).errors},
	{name: "unserved", unit: count, zero: true, of: func(m *Measured) float64 { return float64(m.Unserved) }},
	{name: "started", unit: count, zero: true, of: func(m *Measured) float64 { return float64(m.Cost.Started) }},
	{name: "switches", unit: count, zero: true, of: func(m *Measured) float64 { return m.Cost.Switches }},
}

// compared lists the metrics that Conclude compares.
var compared = []string{"rate", "p50", "p99", "cpu"}

// cpu returns the time per answered request; less than 0: not measured.
func (r Round) cpu() float64 {
	if r.Requests <= 0 {
		return 0
	}
	return float64(r.CPU) / float64(r.Requests)
}

// failed returns the number of requests that failed.
func (m *Measured) failed() int64 {
	var sum int64
	for _, n := range m.Errors {
		sum += n
	}
	return sum
}

func (m *Measured) errors() float64 { return float64(m.failed()) }

func (m *Measured) requests() int64 {
	var sum int64
	for _, r := range m.Rounds {
		sum += r.Requests
	}
	return sum
}

// metricNamed returns nil if there is none.
func metricNamed(name string) *metric {
	if name == "p99.9" {
		name = "p999"
	}
	i := slices.IndexFunc(metrics, func(m metric) bool { return m.name == name })
	if i < 0 {
		return nil
	}
	return &metrics[i]
}

// value returns what was measured, or why there is no value.
func (m *metric) value(d *Measured) (v float64, why string) {
	switch {
	case d == nil:
		return 0, "not measured"
	case d.Problem != "":
		return 0, d.Problem
	case len(d.Rounds) == 0:
		return 0, "not measured"
	}
	if why := m.doubted(d); why != "" {
		return 0, why
	}
	v = m.of(d)
	if v > 0 || v == 0 && m.zero {
		return v, ""
	}
	if d.requests() == 0 {
		return 0, "no request was answered"
	}
	return 0, "not known"
}

// doubted returns why a measured value is not reliable; empty: it is, or there is none.
func (m *metric) doubted(d *Measured) string {
	if m.doubt == nil {
		return ""
	}
	return m.doubt(d)
}

// rounds returns the values round by round.
func (m *metric) rounds(d *Measured) []float64 {
	values := make([]float64, len(d.Rounds))
	for i, r := range d.Rounds {
		values[i] = m.round(r)
	}
	return values
}

// load returns nil if there was no such kind of load.
func (r *Report) load(kind string) *Load {
	for i := range r.Loads {
		if r.Loads[i].Kind == kind {
			return &r.Loads[i]
		}
	}
	return nil
}

// of returns nil if the subject is not among the results.
func (l *Load) of(subject string) *Measured {
	if l == nil {
		return nil
	}
	for i := range l.Results {
		if l.Results[i].Subject == subject {
			return &l.Results[i]
		}
	}
	return nil
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

// observed returns nil if the mishap was not tried on the subject.
func (r *Report) observed(mishap, subject string) *Observation {
	for i := range r.Mishaps {
		if r.Mishaps[i].Name != mishap {
			continue
		}
		for j, row := range r.Mishaps[i].Rows {
			if row.Subject == subject {
				return &r.Mishaps[i].Rows[j]
			}
		}
	}
	return nil
}

// MaxRequests returns the number of requests that a process of the subject serves one after the
// other; 0: not set.
func (s Subject) MaxRequests() int { return s.option("max_requests") }

// option returns a number of the subject's concurrency block; 0: not set.
func (s Subject) option(name string) int {
	_, after, _ := strings.Cut(s.Concurrency, " "+name+" = ")
	digits := len(after) - len(strings.TrimLeft(after, "0123456789"))
	n, _ := strconv.Atoi(after[:digits])
	return n
}
