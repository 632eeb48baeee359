// Package conformance finds out whether a handler keeps what a server and its clients rely on, by
// clients that behave as real ones do: they end their input early, send single bytes, read slowly, say
// nothing, or reset.
//
// What must happen is waited for patiently, and what should happen at once, such as an answer before the
// end of input, in proportion to what the first answer took, so that a busy machine fails no handler.
package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// An Exchange is what a client sends and what it must be answered.
type Exchange struct{ Send, Expect string } // an empty Expect is not known

// A Subject is a server of the handler that runs.
type Subject struct {
	Stream, Datagram Address       // of clients; the zero Address where it serves none
	Drain            time.Duration // its drain timeout
	Trouble          func() string // the last error that it has logged since the last call, or ""
	Stop             func()        // stops it within Drain, and returns when it has ended
}

// An Address is where clients reach a server.
type Address struct{ Network, Address string }

// A Kit tests a handler.
type Kit struct {
	Exchange
	Strategies  []string // in the words of a configuration
	Connections int      // after which descriptors and processes are counted
	// Start starts a server. An error is why a handler is not served under that strategy.
	Start func(ctx context.Context, strategy string) (*Subject, error)
	// Unknown starts a server with an option that no handler has, and returns what refuses it.
	Unknown func(ctx context.Context, strategy string) error
	// Report is called with each result, in order.
	Report func(Result)
}

// A Result is that of one check.
type Result struct {
	Outcome  Outcome
	Strategy string
	Check    string // as a phrase about the handler
	Why      string // empty if it is OK
}

// An Outcome is how a check ended.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
)

// Run tries every check under every strategy. It returns an error if no strategy serves the handler,
// if the first answer is another one than is known, or if ctx is done.
func (k *Kit) Run(ctx context.Context) error {
	var refused error
	served := false
	for _, strategy := range k.Strategies {
		s, err := k.Start(ctx, strategy)
		if err != nil {
			k.Report(Result{Skipped, strategy, "serves", err.Error()})
			refused = cmp.Or(refused, err)
			continue
		}
		t := &trial{ctx: ctx, kit: k, subject: s, strategy: strategy, silence: patience, end: patience}
		for _, c := range checks {
			if served && c.needs&once != 0 {
				continue
			}
			if t.run(c); !served && t.other != nil {
				s.Stop()
				return errors.New("other checks compare this answer, too; if it is the right one, give it by --expect")
			}
		}
		served = true
	}
	if served {
		refused = nil
	}
	return cmp.Or(ctx.Err(), refused)
}

const (
	patience = 5 * time.Second // for what must happen
	silence  = time.Second     // for what happens at once, or not at all; the least one
)

// A trial is what checks know: a server under one strategy.
type trial struct {
	ctx      context.Context
	kit      *Kit
	subject  *Subject
	strategy string
	end      time.Duration  // the wait for the end of a connection
	silence  time.Duration  // the wait for what happens at once, or not at all
	ending   sync.WaitGroup // of other servers
	clients  []*client      // of the check
	other    *otherAnswer   // of the first check
}

// A skip is why a check does not apply.
type skip string

func (s skip) Error() string { return string(s) }

const (
	noExchange skip = "give --send and --expect" // for what compares answers
	noStream   skip = "it serves no connections"
)

// A check is one property of a handler.
type check struct {
	name   string
	needs  need
	try    func(*trial) error
	advice string // what to do where it fails, after a semicolon; may be empty
}

// A need is what a check needs of the trial.
type need int

const (
	aStream     need = 1 << iota // that the handler serves connections
	anExchange                   // that an answer is known
	manyAtATime                  // a strategy that serves several clients at once
	once                         // nothing; it is the same under all strategies
)

var checks = []check{
	{"keeps its answer, and ends, when the client ends its input", aStream, endsWithClient, "the end of input is no reason to leave out the answer, and the reason to return"},
	{"answers before the client ends its input", aStream | anExchange, answersAtOnce, ""},
	{"takes single bytes", aStream | anExchange, singleBytes, "a read may return a part of a line"},
	{"takes a last line without a newline", aStream | anExchange, lastLine, "the end of input ends a line, too"},
	{"keeps its answer when it has not read all input", aStream | anExchange, unreadInput, "leave closing to the server, or read what is left first"},
	{"answers a slow reader in full", aStream | anExchange, slowReader, "a send may take a part of the answer: use sendall(), or write in a loop"},
	{"outlives 20 clients that reset", aStream, resets, ""},
	{"serves a client beside 30 silent ones", aStream | manyAtATime, besideSilent, "one client must not hold what another one needs"},
	{"serves a client beside one that does not read", aStream | manyAtATime, besideDeaf, "one client must not hold what another one needs"},
	{"serves connections", 0, connections, ""},
	{"takes datagrams of 0, 1 and 8192 bytes", 0, datagrams, ""},
	{"leaves no descriptor and no process behind", 0, leaks, "close what a request has opened, also after an error, and wait for children"},
	{"starts a second time beside the first", 0, secondStart, "it cannot be replaced while it serves"},
	{"refuses an option that it does not have", once, unknownOption, ""},
	{"ends when the server stops", 0, stops, "it has to end when its client has ended, and its process after SIGTERM or the end of descriptor 3"},
}

// run tries a check and reports the result.
func (t *trial) run(c check) {
	err := t.needs(c.needs)
	t.subject.Trouble() // of earlier checks
	if err == nil {
		err = c.try(t)
	}
	for _, open := range t.clients {
		_ = open.Close()
	}
	t.clients = nil
	if errors.Is(err, noStream) {
		return // what is missing is reported by what needs nothing
	}
	r := Result{OK, t.strategy, c.name, ""}
	if skipped := skip(""); errors.As(err, &skipped) {
		r.Outcome, r.Why = Skipped, string(skipped)
	} else if err != nil {
		r.Outcome, r.Why = Failed, err.Error()
		if c.advice != "" && t.other == nil {
			r.Why += "; " + c.advice
		}
		if trouble := t.subject.Trouble(); trouble != "" {
			r.Why += "; the log has: " + trouble
		}
	}
	if t.ctx.Err() == nil {
		t.kit.Report(r)
	}
}

func (t *trial) needs(n need) error {
	switch {
	case n&aStream != 0 && t.subject.Stream.Network == "":
		return noStream
	case n&anExchange != 0 && t.kit.Expect == "":
		return noExchange
	case n&manyAtATime != 0 && t.strategy == "synchronous":
		return skip("one client at a time is served")
	}
	return nil
}

// ask has another client send what is known, and end.
func (t *trial) ask() error {
	if t.subject.Stream.Network == "" {
		return t.askDatagram()
	}
	c, err := t.dial(0)
	if err != nil {
		return err
	}
	defer c.Close()
	began := time.Now()
	if err := c.send(t.kit.Send); err != nil {
		return err
	}
	c.end()
	if err := c.expect(t.kit.Expect, patience); err != nil {
		return err
	}
	if t.kit.Expect != "" { // the end may not come at all
		t.measured(time.Since(began))
	}
	if err := c.rest(t.end); err != nil {
		return err
	}
	t.measured(time.Since(began))
	return nil
}

// measured sets the wait by what the first answer took: on a busy machine every event takes longer.
func (t *trial) measured(took time.Duration) {
	if t.silence == patience {
		t.silence = min(max(silence, 20*took), patience-1)
	}
}

func endsWithClient(t *trial) error {
	err := t.ask()
	errors.As(err, &t.other)
	t.measured(0)
	if err != nil { // it is not waited for again as long
		t.end = t.silence
	}
	return err
}

func connections(t *trial) error { return t.needs(aStream) }

func unknownOption(t *trial) error {
	if t.kit.Unknown(t.ctx, t.strategy) == nil {
		return errors.New("it takes an option that it does not know: a misspelt one would be ignored")
	}
	return nil
}

// secondStart starts another server while the first one runs, as a replacement does.
func secondStart(t *trial) error {
	second, err := t.kit.Start(t.ctx, t.strategy)
	if err != nil {
		return fmt.Errorf("it starts once, and not again: %w", err)
	}
	defer t.ending.Go(second.Stop)
	other := &trial{ctx: t.ctx, kit: t.kit, subject: second, silence: t.silence, end: t.end}
	if err := other.ask(); err != nil {
		return fmt.Errorf("the second one: %w", err)
	}
	if err := t.ask(); err != nil {
		return fmt.Errorf("the first one, beside the second: %w", err)
	}
	return nil
}

// stops ends the trial: the server stops while it has a client, which ends then.
func stops(t *trial) error {
	var held *client
	if t.subject.Stream.Network != "" {
		var err error
		if held, err = t.dial(0); err == nil && held.send(t.kit.Send) == nil {
			_ = held.expect(t.kit.Expect, t.silence)
		}
	}
	began, stopped := time.Now(), make(chan struct{})
	go func() {
		t.subject.Stop()
		close(stopped)
	}()
	if held != nil {
		held.end()
		_ = held.rest(t.subject.Drain)
	}
	<-stopped
	defer t.ending.Wait()
	if took := time.Since(began); took >= t.subject.Drain {
		return fmt.Errorf("it went on for %s, beyond the drain timeout of %s, and was ended by force", took.Round(100*time.Millisecond), t.subject.Drain)
	}
	return nil
}
