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
func slow(s *scene) error {
	first, err := s.hold(words.Wait)
	if err != nil {
		return err
	}
	second, err := s.begin(words.Wait)
	if err != nil {
		return err
	}
	switch err := second.ready(s.silence); {
	case err == nil:
		s.row.Finding = "both were served at once"
	case errors.Is(err, errSilent):
		s.row.Finding, s.row.Noticed = "the second waited for the first", "the client"
	default:
		return err
	}
	return finish(first, second)
}

// counter has clients count at once, and then others.
func counter(s *scene) error {
	_, pid, err := s.ask(words.Wait)
	if err != nil {
		return err
	}
	counts, processes := false, map[int]bool{}
	for range 2 {
		answers, pids, err := s.askOthers(words.Count, pid)
		if err != nil {
			return err
		}
		for i, pid := range pids {
			processes[pid] = true
			counts = counts || answers[i] != "1"
		}
	}
	switch {
	case !counts:
		s.row.Finding = "every request had a new one"
	case len(processes) > 1:
		s.row.Finding = "each process had its own"
	default:
		s.row.Finding = "one for all requests"
	}
	return nil
}

// directory changes the working directory to one that no server starts in.
func directory(s *scene) error { return s.change(words.Chdir, "/proc", words.Directory) }

func environment(s *scene) error { return s.change(words.Setenv, "changed", words.Environment) }

// change has one request change something, and later ones look at it.
func (s *scene) change(word, value, look string) error {
	_, pid, err := s.ask(word + " " + value)
	if err != nil {
		return err
	}
	answers, _, err := s.askOthers(look, pid)
	if err != nil {
		return err
	}
	switch {
	case !slices.Contains(answers, value):
		s.row.Finding = "no later request saw it"
	case slices.ContainsFunc(answers, func(a string) bool { return a != value }):
		s.row.Finding = "later requests in its process saw it"
	default:
		s.row.Finding = "every later request saw it"
	}
	return nil
}

// failing returns the experiment of a word that no request survives.
func failing(word string) func(*scene) error {
	return func(s *scene) error {
		one, err := s.hold(word)
		if err != nil {
			return err
		}
		bystanders, err := s.others(words.Wait, one.pid)
		if err != nil {
			return err
		}
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
		return nil
	}
}

// eaten is the memory that a request uses, in bytes.
const eaten = 128 << 20

// memory measures the server's memory while a request uses much and after it.
func memory(s *scene) error {
	if usage.Memory("MemAvailable:") < 4*eaten {
		return fmt.Errorf("less than %d MiB of memory are free; end other programs", 4*eaten>>20)
	}
	one, err := s.hold(words.Eat + " " + strconv.Itoa(eaten))
	if err != nil {
		return err
	}
	before, err := usage.Of(s.subject.Pid())
	if err != nil {
		return err
	}
	if _, err := one.release(patience); err != nil {
		return err
	}
	during, err := usage.Of(s.subject.Pid())
	if err != nil {
		return err
	}
	if during.Resident < before.Resident+eaten/2 {
		return errors.New("its memory could not be measured, as it was paged out")
	}
	if _, err := one.finish(); err != nil {
		return err
	}
	s.row.Finding = "kept by its process"
	if s.givenBack(before.Resident) {
		s.row.Finding = "given back when it was over"
	}
	return nil
}

// givenBack waits until the memory is given back. No event reports that, so it polls.
func (s *scene) givenBack(before int64) bool {
	for end := time.Now().Add(s.silence); time.Now().Before(end) && s.ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		now, err := usage.Of(s.subject.Pid())
		if err == nil && now.Resident < before+eaten/2 {
			return true
		}
	}
	return false
}

// hang waits for the end of a request whose handler never returns.
func hang(s *scene) error {
	one, err := s.hold(words.Hang)
	if err != nil {
		return err
	}
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
	return nil
}

// full connects clients until one of them is not served.
func full(s *scene) error {
	const most = 8
	var held []*client
	for range most {
		next, err := s.begin(words.Wait)
		if err != nil {
			return err
		}
		err = next.ready(s.silence)
		if err == nil {
			held = append(held, next)
			continue
		}
		if len(held) == 0 {
			return err
		}
		if !errors.Is(err, errSilent) {
			s.row.Finding, s.row.CutOff = "the next client was turned away", "that client"
		} else if _, err := held[0].finish(); err != nil {
			return err
		} else if held = held[1:]; next.ready(patience) != nil {
			s.row.Finding, s.row.CutOff = "the next client was never served", "that client"
		} else {
			s.row.Finding, held = "the next client waited for its turn", append(held, next)
		}
		s.noticed(true)
		return finish(held...)
	}
	s.row.Finding = "there was no limit"
	return finish(held...)
}

// finish finishes requests.
func finish(clients ...*client) error {
	for _, c := range clients {
		if _, err := c.finish(); err != nil {
			return err
		}
	}
	return nil
}

// shutdown stops the server while a request is in flight that ends in time.
func shutdown(s *scene) error {
	one, err := s.hold(words.Wait)
	if err != nil {
		return err
	}
	stopped := make(chan struct{})
	go func() {
		s.subject.Stop()
		close(stopped)
	}()
	if !s.subject.AwaitLog(s.ctx, stopping) {
		<-stopped
		return errors.New("the server ended without logging that it stops")
	}
	text, failed := one.finish()
	s.answered(failed == nil && text == words.Done)
	<-stopped
	s.row.Lived = "no: " + s.subject.Stop().Status
	return nil
}

// stopping reports whether a server logs that it stops.
func stopping(l subject.Line) bool { return strings.HasPrefix(l.Text, "stopping") }

// kill kills the server while requests are in flight.
func kill(s *scene) error {
	one, err := s.hold(words.Wait)
	if err != nil {
		return err
	}
	bystanders, err := s.others(words.Wait, one.pid)
	if err != nil {
		return err
	}
	s.subject.Kill()
	<-s.subject.Done()
	text, failed := one.finish()
	answered := failed == nil && text == words.Done
	s.answered(answered)
	s.cutOff(!answered, bystanders)
	s.row.Lived = "no: " + s.subject.Stop().Status
	return nil
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
