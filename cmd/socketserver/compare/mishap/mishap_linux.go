// Package mishap makes handlers misbehave and servers end, and observes from outside what happens,
// subject by subject. Nothing is inferred from the strategy: an observation rests on what clients
// received, what was logged, how the server ended and what it left behind.
//
// Observations are the same from run to run, so they contain no times. An experiment waits for
// events; only the absence of an event takes time.
package mishap

import (
	"context"
	"strings"
	"sync"
	"time"

	words "github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap/experiment"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// An experiment is a mishap and how it is made to happen.
type experiment struct {
	name, title string
	try         func(*scene)
	// set, if not nil, changes the server before it is started.
	set func(*config.Server)
}

// experiments are in the order of the report.
var experiments = []experiment{
	{name: "slow", title: "Two slow clients at once", try: slow},
	{name: "counter", title: "A handler counts its requests in memory", try: counter},
	{name: "directory", title: "A handler changes the working directory", try: directory},
	{name: "environment", title: "A handler changes the environment", try: environment},
	{name: "panic", title: "A handler panics", try: failing("panic")},
	{name: "exit", title: "A handler ends its process", try: failing("exit")},
	{name: "fatal", title: "A handler causes a fatal error of the runtime", try: failing("fatal")},
	{name: "memory", title: "A handler uses much memory", try: memory},
	{name: "hang", title: "A handler never returns", try: hang, set: hasty},
	{name: "full", title: "The limit is reached", try: full, set: narrow},
	{name: "shutdown", title: "The server is stopped with a request in flight", try: shutdown},
	{name: "kill", title: "The server is killed with a request in flight", try: kill},
}

// Names returns the names of the mishaps.
func Names() []string {
	var all []string
	for _, e := range experiments {
		all = append(all, e.name)
	}
	return all
}

// AtOnce is the number of servers that run at a time, each with a few clients. They mostly wait.
const AtOnce = 6

// Run tries every experiment on a fresh server of every subject. The servers have the concurrency of
// the subjects, but tcp, the handler of the experiments and limits of their own. progress is called
// when an experiment begins, by several goroutines at once. When ctx is done Run ends soon; the
// remaining observations have a Problem. Nothing that it started is left when it returns.
func Run(ctx context.Context, subjects []subject.Spec, progress func(what string)) []result.Mishap {
	mishaps := make([]result.Mishap, len(experiments))
	for i, e := range experiments {
		mishaps[i] = result.Mishap{Name: e.name, Title: e.title, Rows: make([]result.Observation, len(subjects))}
	}
	var jobs []func()
	for j, spec := range subjects { // one after the other, so that few use much memory at a time
		for i, e := range experiments {
			jobs = append(jobs, func() {
				progress(e.name + ": " + spec.Name)
				mishaps[i].Rows[j] = observe(ctx, e, spec)
			})
		}
	}
	work(jobs)
	return mishaps
}

// work runs jobs in order, AtOnce at a time.
func work(jobs []func()) {
	var running sync.WaitGroup
	slots := make(chan struct{}, AtOnce)
	for _, job := range jobs {
		slots <- struct{}{}
		running.Go(func() {
			job()
			<-slots
		})
	}
	running.Wait()
}

// observe tries one experiment on one subject.
func observe(ctx context.Context, e experiment, spec subject.Spec) result.Observation {
	spec.Server = prepare(spec.Server)
	if e.set != nil {
		e.set(&spec.Server)
	}
	s, err := open(ctx, spec)
	if err == nil {
		defer s.close()
		err = s.play(e.try)
	}
	switch {
	case ctx.Err() != nil:
		return result.Observation{Subject: spec.Name, Problem: "interrupted"}
	case err != nil:
		return result.Observation{Subject: spec.Name, Problem: strings.TrimPrefix(err.Error(), spec.Name+": ")}
	}
	return s.row
}

// connections is the limit of every server. Each of two workers has half of it, so that more clients
// than that are in both.
const connections = 64

// prepare returns a subject's server for experiments: its strategy, with as few processes as show
// the effect.
func prepare(s config.Server) config.Server {
	s.Transports = []config.Transport{{Network: "tcp"}}
	s.Handler = config.Handler{Kind: "handler", Name: words.Name}
	s.Limits = config.Limits{Connections: connections}
	s.Timeouts.Idle, s.Timeouts.Read, s.Timeouts.Request = 0, 0, 0
	s.Timeouts.Write, s.Timeouts.Drain = patience, patience
	c := &s.Concurrency
	c.MaxThreads = 0
	switch c.Kind {
	case "forking":
		c.MaxChildren, c.Spares = 40, min(c.Spares, 2)
	case "preforking":
		c.Workers = min(c.Workers, 2)
	}
	return s
}

// hasty sets short timeouts.
func hasty(s *config.Server) {
	s.Timeouts.Request, s.Timeouts.Drain = time.Second, 300*time.Millisecond
}

// narrow sets a low limit.
func narrow(s *config.Server) {
	c := &s.Concurrency
	switch c.Kind {
	case "threading":
		c.MaxThreads = 2
	case "forking":
		c.MaxChildren, c.Spares = 2, min(c.Spares, 1)
	case "preforking": // its only limit
		s.Limits.Connections = 2 * c.Workers
	}
}
