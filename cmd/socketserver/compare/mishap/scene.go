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

const handlerName = words.Name

const (
	// patience bounds what is to happen; it is not reached unless something is wrong.
	patience = 10 * time.Second
	// leastSilence is how long nothing happens, at least, where nothing is going to.
	leastSilence = 1500 * time.Millisecond
)

// silenceOf is that of a server whose first answer took so long: on a machine that is busy
// whatever is going to happen takes longer too.
func silenceOf(took time.Duration) time.Duration {
	return min(max(leastSilence, 20*took), patience)
}

// A scene is a server that runs, its clients, and what has been observed of them.
type scene struct {
	ctx     context.Context
	spec    subject.Spec
	subject *subject.Subject
	said    []subject.Line // what it had logged before anything happened
	clients []*client
	row     result.Observation
	silence time.Duration // how long nothing happens where nothing is going to
}

// open starts the server. What is observed is that nothing happens, until something does.
func open(ctx context.Context, spec subject.Spec) (*scene, error) {
	s, err := subject.Start(ctx, spec, subject.Options{Stop: 3 * time.Second})
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
	c.said = s.Log()
	return c, nil
}

// close ends all that open and the experiment have begun.
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

// begin has a client send a word. The request may have to wait for its turn.
func (s *scene) begin(word string) (*client, error) {
	c, err := connect(s.ctx, s.subject, word)
	if err == nil {
		s.clients = append(s.clients, c)
	}
	return c, err
}

// hold is begin, and returns when the handler runs.
func (s *scene) hold(word string) (*client, error) {
	c, err := s.begin(word)
	if err == nil {
		err = c.ready(patience)
	}
	return c, err
}

// ask is a whole request.
func (s *scene) ask(word string) (answer string, pid int, err error) {
	c, err := s.hold(word)
	if err != nil {
		return "", 0, err
	}
	answer, err = c.finish()
	return answer, c.pid, err
}

// serial says whether only one request runs at a time, so that another one would be
// waited for in vain.
func (s *scene) serial() bool { return s.spec.Server.Concurrency.Kind == "synchronous" }

// group is how many clients come at once.
const group = 4

// crowd returns clients whose requests are under way, or wait, all at once. Where workers
// share the clients, which takes chance to tell, some are in the process of pid and some
// are not.
func (s *scene) crowd(word string, pid int) ([]*client, error) {
	groups := 1
	if c := s.spec.Server.Concurrency; c.Kind == "preforking" && c.Workers > 1 {
		groups = connections/group - 1
	}
	return s.groups(groups, word, pid)
}

// others is a crowd that finds the process of pid also where that is one of several that
// wait for a request.
func (s *scene) others(word string, pid int) ([]*client, error) {
	if s.spec.Server.Concurrency.Kind == "forking" {
		return s.groups(3, word, pid)
	}
	return s.crowd(word, pid)
}

// groups has groups of clients come, one after the other, until some are in the process of
// pid and some are not.
func (s *scene) groups(most int, word string, pid int) ([]*client, error) {
	var all []*client
	for range most {
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

// come has a group of clients come at once. Their handlers run when it returns, unless they
// wait for each other.
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
		if s.serial() {
			break
		}
		if err := c.ready(patience); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// An answer is what one of several clients got.
type answer struct {
	pid  int
	text string
}

// askOthers has others ask.
func (s *scene) askOthers(word string, pid int) ([]answer, error) {
	came, err := s.others(word, pid)
	if err != nil {
		return nil, err
	}
	var all []answer
	for _, c := range came {
		text, err := c.finish()
		if err != nil {
			return nil, err
		}
		all = append(all, answer{c.pid, text})
	}
	return all, nil
}

// cutOff lets the clients of a crowd come to their end, and says who has not: one is the
// client that the mishap happened to.
func (s *scene) cutOff(one bool, crowd []*client) {
	var cut int
	for _, c := range crowd {
		if text, err := c.finish(); err != nil || text != words.Done {
			cut++
		}
	}
	switch {
	case cut > 0 && cut == len(crowd) && one:
		s.row.CutOff = "every client"
	case cut > 0:
		s.row.CutOff = "clients of its process"
	case one:
		s.row.CutOff = "that client"
	}
}

// noticed says who learned that something went wrong. Where a client was cut off the log,
// which may be a little later, is waited for.
func (s *scene) noticed(client bool) {
	ctx, cancel := context.WithTimeout(s.ctx, s.silence)
	defer cancel()
	if s.row.CutOff == "nobody" {
		cancel() // it is there, or is not going to be
	}
	log := s.subject.AwaitLog(ctx, func(l subject.Line) bool { return alarming(l) && !slices.Contains(s.said, l) })
	switch {
	case client && log:
		s.row.Noticed = "the client, the log"
	case client:
		s.row.Noticed = "the client"
	case log:
		s.row.Noticed = "the log"
	}
}

// alarming says whether a line tells of something that went wrong. What is printed and not
// logged does: it is the last that a process says.
func alarming(l subject.Line) bool {
	switch l.Level {
	case "warn", "error":
		return true
	case "":
		return l.Text != "stopping"
	}
	return false
}

// lived says whether the server goes on, and answers a client, for which it has all the time that
// there is, and else how it ended.
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
	if errors.Is(err, errSilent) { // it is there, and is not going to end
		wait = 0
	}
	select {
	case <-s.subject.Done():
		return "no: " + s.subject.Stop().Status
	case <-time.After(wait):
		return "no: answers nobody"
	case <-s.ctx.Done():
		return "no"
	}
}

func (s *scene) ended() bool {
	select {
	case <-s.subject.Done():
		return true
	default:
		return false
	}
}
