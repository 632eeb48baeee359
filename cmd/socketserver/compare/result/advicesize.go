package result

import (
	"fmt"
	"time"
)

// footprint names the most memory, and what the bound of that strategy multiplies.
func footprint(e *evidence) string {
	load, threading := e.report.load(e.perRequest()), e.plain("threading", e.form())
	small, large := load.of(threading), e.largest(load)
	if small == nil || large == nil || float64(large.Cost.Proportional) <= (1+margin)*float64(small.Cost.Proportional) {
		return ""
	}
	text := fmt.Sprintf("the most memory under %s is that of %s, %s against %s with %s", load.Kind, large.Subject,
		e.number(load.Kind, "memory", large.Subject), e.number(load.Kind, "memory", threading), threading)
	if n := large.Cost.Processes; n > 1 {
		e.rest("%s.%s.processes = %d", large.Subject, load.Kind, n)
		text += fmt.Sprintf(": %d processes of %s", n, size.format(float64(large.Cost.Proportional)/float64(n)))
	}
	return text + e.multiplied(large.Subject)
}

// largest is the one with the most memory.
func (e *evidence) largest(l *Load) (most *Measured) {
	for _, s := range e.own() {
		m := l.of(s.Name)
		if _, why := metricNamed("memory").value(m); why != "" {
			continue
		}
		if most == nil || m.Cost.Proportional > most.Cost.Proportional {
			most = m
		}
	}
	return most
}

func (e *evidence) multiplied(subject string) string {
	for _, s := range e.report.Subjects {
		switch {
		case s.Name != subject:
		case s.Strategy == "forking":
			return "; set max_children so that as many fit"
		case s.Strategy == "preforking":
			return "; set workers so that as many fit"
		}
	}
	return ""
}

// capacity is the rate that no number of children can raise, as the cores have no more time.
func capacity(e *evidence) string {
	load, forking := e.perRequest(), e.plain("forking", e.form())
	m, cores := e.report.load(load).of(forking), e.report.Environment.Cores
	cost := e.number(load, "cpu", forking)
	if e.missing || cores <= 0 {
		return ""
	}
	most := float64(cores) * float64(time.Second) / float64(m.Cost.CPU)
	if m.Rate > most {
		return "" // then the time was not all counted
	}
	e.rest("environment.cores = %d", cores)
	return fmt.Sprintf("at %s of CPU per request under %s, %s can do no more than %s with %s; more max_children or spares do not raise that",
		cost, load, counted(cores, "core"), perSecond.format(most), forking)
}

// spares says whether children that wait for a request shorten it.
func spares(e *evidence) string {
	load, form := e.perRequest(), e.form()
	forking := e.plain("forking", form)
	sparing := e.subject(func(s Subject) bool {
		return s.Strategy == "forking" && s.Form == form && s.option("spares") > 0 && !s.reuses()
	})
	if e.verdict(load, "p50", sparing, forking) != Less {
		return ""
	}
	return fmt.Sprintf("spares shorten a request under %s: p50 is %s with %s and %s with %s", load,
		e.number(load, "p50", sparing), sparing, e.number(load, "p50", forking), forking)
}

// workers says when there are too many of them.
func workers(e *evidence) string {
	load, form, cores := e.perRequest(), e.form(), e.report.Environment.Cores
	threading, preforking := e.plain("threading", form), e.plain("preforking", form)
	for _, s := range e.report.Subjects {
		n := s.option("workers")
		if s.Name != preforking || cores <= 0 || n <= cores || e.verdict(load, "rate", preforking, threading) != Less {
			continue
		}
		e.rest("environment.cores = %d", cores)
		return fmt.Sprintf("with %d workers on %s %s answers %s under %s, less than %s with %s: try workers = %d", n, counted(cores, "core"),
			preforking, e.number(load, "rate", preforking), load, threading, e.number(load, "rate", threading), cores)
	}
	return ""
}
