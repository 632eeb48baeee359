package mishap

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	words "github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap/experiment"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/usage"
)

// slow connects a second client while the request of the first one runs.
func slow(s *scene) {
	first := s.hold(words.Wait)
	second := s.begin(words.Wait)
	s.row.Finding = "both were served at once"
	if err := second.ready(s.silence); errors.Is(err, errSilent) {
		s.row.Finding, s.row.Noticed = "the second waited for the first", "the client"
	} else {
		s.check(err)
	}
	s.finish(first, second)
}

// counter has clients count at once, and then others.
func counter(s *scene) {
	pid := s.ask(words.Wait)
	s.row.Finding = "every request had a new one"
	processes := map[int]bool{}
	for range 2 {
		came := s.others(words.Count, pid)
		for i, answer := range s.finish(came...) {
			processes[came[i].pid] = true
			if answer != "1" {
				s.row.Finding = "one for all requests"
			}
		}
	}
	if s.row.Finding == "one for all requests" && len(processes) > 1 {
		s.row.Finding = "each process had its own"
	}
}

// directory changes the working directory to one that no server starts in.
func directory(s *scene) { s.change(words.Chdir, "/proc", words.Directory) }

func environment(s *scene) { s.change(words.Setenv, "changed", words.Environment) }

// change has one request change something, and later ones look at it.
func (s *scene) change(word, value, look string) {
	pid := s.ask(word + " " + value)
	answers := s.finish(s.others(look, pid)...)
	switch {
	case !slices.Contains(answers, value):
		s.row.Finding = "no later request saw it"
	case slices.ContainsFunc(answers, func(a string) bool { return a != value }):
		s.row.Finding = "later requests in its process saw it"
	default:
		s.row.Finding = "every later request saw it"
	}
}

// failing returns the experiment of a word that no request survives.
func failing(word string) func(*scene) {
	return func(s *scene) {
		one := s.hold(word)
		bystanders := s.others(words.Wait, one.pid)
		_, failed := one.release(patience)
		s.cutOff(failed != nil, bystanders)
		s.noticed(failed != nil)
		s.row.Lived = s.lived()
		switch {
		case s.subject.Ended():
			s.row.Finding = "the server ended"
		case s.row.CutOff == "that client":
			s.row.Finding = "only that request failed"
		case s.row.CutOff != "nobody":
			s.row.Finding = "its process ended, and all requests in it"
		default:
			s.row.Finding = "nothing happened"
		}
	}
}

// eaten is the memory that a request uses, in bytes.
const eaten = 128 << 20

// memory measures the server's memory while a request uses much and after it.
func memory(s *scene) {
	if usage.Memory("MemAvailable:") < 4*eaten {
		s.check(fmt.Errorf("less than %d MiB of memory are free; end other programs", 4*eaten>>20))
	}
	one := s.hold(words.Eat + " " + strconv.Itoa(eaten))
	before := s.resident()
	_, err := one.release(patience)
	s.check(err)
	if s.resident() < before+eaten/2 {
		s.check(errors.New("its memory could not be measured, as it was paged out"))
	}
	s.finish(one)
	// No event reports that memory is given back, so this polls.
	for end := time.Now().Add(s.silence); time.Now().Before(end) && s.ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if s.resident() < before+eaten/2 {
			s.row.Finding = "given back when it was over"
			return
		}
	}
	s.row.Finding = "kept by its process"
}

// resident returns the server's memory, in bytes.
func (s *scene) resident() int64 {
	used, err := usage.Of(s.subject.Pid())
	s.check(err)
	return used.Resident
}

// hang waits for the end of a request whose handler never returns.
func hang(s *scene) {
	one := s.hold(words.Hang)
	// The timeout, and the second that a server gives a handler to notice it.
	_, failed := one.release(s.spec.Server.Timeouts.Request + time.Second + s.silence)
	if errors.Is(failed, errSilent) {
		s.row.Finding = "nothing ended it"
	} else {
		s.row.Finding, s.row.CutOff = "the request timeout ended it", "that client"
	}
	s.noticed(true)
	s.row.Lived = s.lived()
	if s.row.Lived != "yes" {
		s.row.CutOff = "every client"
	}
}

// full connects clients until one of them is not served.
func full(s *scene) {
	s.row.Finding = "there was no limit"
	const most = 8
	var held []*client
	for range most {
		next := s.begin(words.Wait)
		err := next.ready(s.silence)
		if err == nil {
			held = append(held, next)
			continue
		}
		if len(held) == 0 {
			s.check(err)
		}
		s.row.Finding, s.row.CutOff = "the next client was turned away", "that client"
		if errors.Is(err, errSilent) {
			s.finish(held[0])
			s.row.Finding, held = "the next client was never served", held[1:]
			if next.ready(patience) == nil {
				s.row.Finding, s.row.CutOff, held = "the next client waited for its turn", "nobody", append(held, next)
			}
		}
		s.noticed(true)
		break
	}
	s.finish(held...)
}

// shutdown stops the server while a request is in flight that ends in time.
func shutdown(s *scene) {
	one := s.hold(words.Wait)
	go s.subject.Stop()
	if !s.subject.AwaitLog(s.ctx, func(l subject.Line) bool { return strings.HasPrefix(l.Text, "stopping") }) {
		s.check(errors.New("the server ended without logging that it stops"))
	}
	s.answered(one.done())
	s.row.Lived = "no: " + s.subject.Stop().Status
}

// kill kills the server while requests are in flight.
func kill(s *scene) {
	one := s.hold(words.Wait)
	bystanders := s.others(words.Wait, one.pid)
	s.subject.Kill()
	<-s.subject.Done()
	answered := one.done()
	s.answered(answered)
	s.cutOff(!answered, bystanders)
	s.row.Lived = "no: " + s.subject.Stop().Status
}

// answered observes whether the request in flight was answered.
func (s *scene) answered(yes bool) {
	if yes {
		s.row.Finding = "it was answered all the same"
		return
	}
	s.row.Finding, s.row.CutOff = "it was cut off", "that client"
	s.noticed(true)
}
