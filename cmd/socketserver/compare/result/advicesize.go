package result

import (
	"fmt"
	"time"
)

// footprint names the least and the most memory, and what the bound of the latter multiplies.
func footprint(e *evidence) string {
	load, least, most := e.memory()
	small, large := load.of(least), load.of(most)
	if small == nil || float64(large.Cost.Proportional) <= (1+margin)*float64(small.Cost.Proportional) {
		return ""
	}
	text := fmt.Sprintf("memory under %s is least with %s (%s) and most with %s (%s", load.Kind,
		least, e.number(load.Kind, "memory", least), most, e.number(load.Kind, "memory", most))
	if n := large.Cost.Processes; n > 1 {
		each := size.format(float64(large.Cost.Proportional) / float64(n))
		e.rest("%s.%s.processes = %d", most, load.Kind, n)
		text += fmt.Sprintf(" in %d processes, %s each", n, each)
	}
	return text + ")" + e.multiplied(most)
}

// memory finds the extremes under the first load of which they are known.
func (e *evidence) memory() (l *Load, least, most string) {
	memory := metricNamed("memory")
	for i := range e.report.Loads {
		l = &e.report.Loads[i]
		var low, high float64
		for j := range l.Results {
			v, why := memory.value(&l.Results[j])
			if why != "" {
				continue
			}
			if least == "" || v < low {
				low, least = v, l.Results[j].Subject
			}
			if most == "" || v > high {
				high, most = v, l.Results[j].Subject
			}
		}
		if least != most {
			return l, least, most
		}
		least, most = "", ""
	}
	return nil, "", ""
}

func (e *evidence) multiplied(subject string) string {
	for _, s := range e.report.Subjects {
		switch {
		case s.Name != subject || s.Form == Python:
		case s.Strategy == "forking":
			return "; choose max_children so that as many processes fit"
		case s.Strategy == "preforking":
			return "; choose workers so that as many processes fit"
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
		return fmt.Sprintf("%s answers %s under %s with %d workers on %s, less than %s with %s: try workers = %d", preforking,
			e.number(load, "rate", preforking), load, n, counted(cores, "core"), threading, e.number(load, "rate", threading), cores)
	}
	return ""
}
