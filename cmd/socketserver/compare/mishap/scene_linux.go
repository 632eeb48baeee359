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

// A scene is a running server, its clients, and what has been observed.
type scene struct {
	ctx     context.Context
	spec    subject.Spec
	subject *subject.Subject
	logged  []subject.Line // before the experiment
	clients []*client
	row     result.Observation
	silence time.Duration // the wait for an event that must not happen
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
	if _, _, err := c.ask(words.Wait); err != nil {
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
	for _, c := range s.clients {
		c.close()
	}
	exit := s.subject.Stop()
	s.row.Left = exit.Left.String()
	if exit.Forced {
		s.row.Finding += ", and the server had to be killed"
	}
}

// begin has a client send a word. It does not wait for the handler.
func (s *scene) begin(word string) (*client, error) {
	c, err := connect(s.ctx, s.subject, word)
	if err == nil {
		s.clients = append(s.clients, c)
	}
	return c, err
}

// hold is begin, and waits until the handler runs.
func (s *scene) hold(word string) (*client, error) {
	c, err := s.begin(word)
	if err == nil {
		err = c.ready(patience)
	}
	return c, err
}

// ask sends a whole request.
func (s *scene) ask(word string) (answer string, pid int, err error) {
	c, err := s.hold(word)
	if err != nil {
		return "", 0, err
	}
	answer, err = c.finish()
	return answer, c.pid, err
}

// group is the number of clients that connect at once.
const group = 4

// others returns clients with requests in flight, or waiting, at once. Where processes serve more
// than one request, it connects groups of clients until some are in the process of pid and some are
// not.
func (s *scene) others(word string, pid int) ([]*client, error) {
	groups := 1
	switch c := s.spec.Server.Concurrency; {
	case c.Kind == "preforking" && c.Workers > 1:
		groups = connections/group - 1
	case c.Kind == "forking" && c.MaxRequests > 1:
		groups = 3
	}
	var all []*client
	for range groups {
		came, err := s.come(word)
		if err != nil {
			return nil, err
		}
		all = append(all, came...)
		with := slices.ContainsFunc(all, func(c *client) bool { return c.pid == pid })
		beside := slices.ContainsFunc(all, func(c *client) bool { return c.pid != pid })
		if with && beside {
			break
		}
	}
	return all, nil
}

// come connects a group of clients. Their handlers run when it returns, unless only one request runs
// at a time.
func (s *scene) come(word string) ([]*client, error) {
	var all []*client
	for range group {
		c, err := s.begin(word)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	for _, c := range all {
		if s.spec.Server.Concurrency.Kind == "synchronous" {
			break
		}
		if err := c.ready(patience); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// askOthers sends a whole request from each of others, and returns the answers and their processes.
func (s *scene) askOthers(word string, pid int) (answers []string, pids []int, err error) {
	came, err := s.others(word, pid)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range came {
		text, err := c.finish()
		if err != nil {
			return nil, nil, err
		}
		answers, pids = append(answers, text), append(pids, c.pid)
	}
	return answers, pids, nil
}

// cutOff finishes the bystanders and observes which of them were cut off; one reports whether the
// client of the mishap was.
func (s *scene) cutOff(one bool, bystanders []*client) {
	var cut int
	for _, c := range bystanders {
		if text, err := c.finish(); err != nil || text != words.Done {
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
	switch l.Level {
	case "warn", "error":
		return true
	case "":
		return l.Text != "stopping"
	}
	return false
}

// lived returns "yes" if the server answers another client, and else how it ended.
func (s *scene) lived() string {
	c, err := s.begin(words.Wait)
	if err == nil {
		if err = c.ready(patience); err == nil {
			_, err = c.finish()
		}
	}
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
