package mishap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	words "github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap/experiment"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
)

const (
	// patience bounds the wait for an event that must happen.
	patience = 10 * time.Second
	// leastSilence is the shortest wait for an event that must not happen.
	leastSilence = 1500 * time.Millisecond
)

// silenceOf returns the wait for a server from the time that its first answer took: on a busy machine every
// event takes longer.
func silenceOf(took time.Duration) time.Duration {
	return min(max(leastSilence, 20*took), patience)
}

// A scene is a running server, its clients, and what has been observed. Its methods end the experiment
// by a panic with a failure if what they need does not happen: an experiment then reads as what is done.
type scene struct {
	ctx     context.Context
	spec    subject.Spec
	subject *subject.Subject
	logged  []subject.Line // before the experiment
	clients []*client
	row     result.Observation
	silence time.Duration // the wait for an event that must not happen
}

// A failure is why an experiment could not be tried.
type failure struct{ error }

// check ends the experiment if there is an error.
func (s *scene) check(err error) {
	if err != nil {
		panic(failure{err})
	}
}

// play tries an experiment and returns what was observed, or why it could not be tried.
func (s *scene) play(try func(*scene)) (err error) {
	defer func() {
		switch failed := recover().(type) {
		case nil:
		case failure:
			err = failed.error
		default:
			panic(failed)
		}
	}()
	try(s)
	s.conclude()
	return nil
}

// open starts the server. The observation begins with nothing noticed and no client cut off.
func open(ctx context.Context, spec subject.Spec) (*scene, error) {
	s, err := subject.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	c := &scene{ctx: ctx, spec: spec, subject: s, row: result.Observation{
		Subject: spec.Name, Noticed: "nobody", CutOff: "nobody",
	}}
	asked := time.Now()
	if err := c.answers(); err != nil {
		c.close()
		return nil, fmt.Errorf("the first request was not answered: %w", err)
	}
	c.silence = silenceOf(time.Since(asked))
	c.logged = s.Log()
	return c, nil
}

// close ends the clients and the server.
func (s *scene) close() {
	for _, c := range s.clients {
		c.close()
	}
	s.subject.Stop()
}

// conclude observes what can be seen at the end of every experiment.
func (s *scene) conclude() {
	if s.row.Lived == "" {
		s.row.Lived = s.lived()
	}
	s.close()
	exit := s.subject.Stop()
	s.row.Left = exit.Left.String()
	if exit.Forced {
		s.row.Finding += ", and the server had to be killed"
	}
}

// answers has another client send a whole request.
func (s *scene) answers() error {
	c, err := s.connect(words.Wait)
	if err == nil {
		_, err = c.finish()
	}
	return err
}

// begin has a client send a word. It does not wait for the handler.
func (s *scene) begin(word string) *client {
	c, err := s.connect(word)
	s.check(err)
	return c
}

// hold is begin, and waits until the handler runs.
func (s *scene) hold(word string) *client {
	c := s.begin(word)
	s.check(c.ready(patience))
	return c
}

// ask sends a whole request, and returns the process that served it.
func (s *scene) ask(word string) (pid int) {
	c := s.begin(word)
	s.finish(c)
	return c.pid
}

// finish finishes requests, and returns their answers.
func (s *scene) finish(clients ...*client) (answers []string) {
	for _, c := range clients {
		answer, err := c.finish()
		s.check(err)
		answers = append(answers, answer)
	}
	return answers
}

// group is the number of clients that connect at once.
const group = 4

// others returns clients with requests in flight, or waiting, at once. Where processes serve more
// than one request, it connects groups of clients until some are in the process of pid and some are
// not.
func (s *scene) others(word string, pid int) []*client {
	c := s.spec.Server.Concurrency
	groups := 1
	switch {
	case c.Kind == "preforking" && c.Workers > 1:
		groups = connections/group - 1
	case c.Kind == "forking" && c.MaxRequests > 1:
		groups = 3
	}
	var all []*client
	for range groups {
		came := len(all)
		for range group {
			all = append(all, s.begin(word))
		}
		for _, next := range all[came:] {
			if c.Kind != "synchronous" { // where only one of them runs
				s.check(next.ready(patience))
			}
		}
		with := slices.ContainsFunc(all, func(c *client) bool { return c.pid == pid })
		beside := slices.ContainsFunc(all, func(c *client) bool { return c.pid != pid })
		if with && beside {
			break
		}
	}
	return all
}

// cutOff finishes the bystanders and observes which of them were cut off; one reports whether the
// client of the mishap was.
func (s *scene) cutOff(one bool, bystanders []*client) {
	var cut int
	for _, c := range bystanders {
		if !c.done() {
			cut++
		}
	}
	switch {
	case cut > 0 && cut == len(bystanders) && one:
		s.row.CutOff = "every client"
	case cut > 0:
		s.row.CutOff = "clients of its process"
	case one:
		s.row.CutOff = "that client"
	}
}

// noticed observes whether the client or the log shows that something went wrong. If a client was cut
// off it waits for the log, which may be a little later.
func (s *scene) noticed(client bool) {
	ctx, cancel := context.WithTimeout(s.ctx, s.silence)
	defer cancel()
	if s.row.CutOff == "nobody" {
		cancel() // a line is there, or is not expected
	}
	log := s.subject.AwaitLog(ctx, func(l subject.Line) bool { return alarming(l) && !slices.Contains(s.logged, l) })
	switch {
	case client && log:
		s.row.Noticed = "the client, the log"
	case client:
		s.row.Noticed = "the client"
	case log:
		s.row.Noticed = "the log"
	}
}

// alarming reports whether a line of the log is about something that went wrong. A line that is
// printed and not logged is: it is the last output of a process.
func alarming(l subject.Line) bool {
	return l.Level == "warn" || l.Level == "error" || l.Level == "" && l.Text != "stopping"
}

// lived returns "yes" if the server answers another client, and else how it ended.
func (s *scene) lived() string {
	err := s.answers()
	if err == nil {
		return "yes"
	}
	wait := patience
	if errors.Is(err, errSilent) { // it runs and will not end
		wait = 0
	}
	select {
	case <-s.subject.Done():
		return "no: " + s.subject.Stop().Status
	case <-time.After(wait):
		return "no: answers no client"
	case <-s.ctx.Done():
		return "no"
	}
}
