package framework_test

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// tracer collects what a trace is called with.
type tracer struct {
	framework.Trace
	accepted chan *framework.Request
	refused  chan framework.Refusal
	started  chan startedAt
	ended    chan framework.Outcome
	under    sync.Map // requests that were accepted, and neither refused nor ended

	mu      sync.Mutex
	workers map[int]int // events by pid
}

type startedAt struct {
	place framework.Place
	pid   int
}

func newTracer() *tracer {
	r := &tracer{
		accepted: make(chan *framework.Request, 100), refused: make(chan framework.Refusal, 100),
		started: make(chan startedAt, 100), ended: make(chan framework.Outcome, 100), workers: map[int]int{},
	}
	r.Trace = framework.Trace{
		Accepted: func(q *framework.Request) { r.under.Store(q, nil); r.accepted <- q },
		Refused:  func(q *framework.Request, why framework.Refusal) { r.leave(q); r.refused <- why },
		Started:  func(_ *framework.Request, place framework.Place, pid int) { r.started <- startedAt{place, pid} },
		Ended:    func(q *framework.Request, o framework.Outcome) { r.leave(q); r.ended <- o },
		Worker: func(e framework.WorkerEvent) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.workers[e.Pid]++; e.Ended == (r.workers[e.Pid] == 1) {
				panic("a worker ends once, after it has started")
			}
		},
	}
	return r
}

func (r *tracer) leave(q *framework.Request) {
	if _, accepted := r.under.LoadAndDelete(q); !accepted {
		panic("a request ends once, after it was accepted")
	}
}

// Every strategy reports the life of a request, and its workers.
func TestTrace(t *testing.T) {
	for name, strategy := range newStrategy {
		for network, server := range newServer {
			t.Run(name+"/"+network, func(t *testing.T) {
				t.Parallel()
				r := newTracer()
				s := server(t, class(t, act))
				s.Strategy, s.Trace, s.Name = strategy(), &r.Trace, "traced"
				frameworktest.Serve(t, s)
				conn := frameworktest.Dial(t, s)
				require.Equal(t, "hello\n", frameworktest.Ask(t, conn, "echo hello\n"))

				q := frameworktest.Await(t, r.accepted)
				require.Equal(t, "traced", q.Server)
				require.Equal(t, network, q.Network)
				if network == "tcp" || network == "udp" {
					require.Equal(t, conn.LocalAddr(), q.ClientAddress)
					require.Equal(t, s.Addr(), q.LocalAddress)
				}
				at := frameworktest.Await(t, r.started)
				require.Equal(t, s.Strategy.Place(), at.place)
				o := frameworktest.Await(t, r.ended)
				require.NoError(t, o.Err)
				require.EqualValues(t, len("echo hello\n"), o.In)
				require.EqualValues(t, len("hello\n"), o.Out)
				require.Positive(t, o.Duration)
				require.Less(t, o.Duration, time.Hour)
				require.Equal(t, at.pid, o.Pid)
				if at.place == framework.InWorkers {
					require.NotContains(t, []int{0, os.Getpid()}, o.Pid)
				}

				frameworktest.Send(t, frameworktest.Dial(t, s), "error no such value\n")
				require.ErrorContains(t, frameworktest.Await(t, r.ended).Err, "no such value")
				frameworktest.Send(t, frameworktest.Dial(t, s), "panic no way out\n")
				var panicked *framework.PanicError
				require.ErrorAs(t, frameworktest.Await(t, r.ended).Err, &panicked)

				frameworktest.Shutdown(t, s)
				require.Len(t, r.accepted, 2)
				require.Empty(t, r.ended)
				r.mu.Lock()
				defer r.mu.Unlock()
				for pid, events := range r.workers {
					require.Equal(t, 2, events, "worker %d", pid)
				}
				require.Equal(t, at.place == framework.InWorkers, len(r.workers) > 0)
			})
		}
	}
}

// What is refused is reported with the reason, also by workers that accept for themselves.
func TestTraceOfRefusals(t *testing.T) {
	for name, strategy := range newStrategy {
		if name == "synchronous" {
			continue // it has one request at a time
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newTracer()
			s := newServer["tcp"](t, class(t, act))
			s.Strategy, s.Trace, s.Limits = strategy(), &r.Trace, &framework.Limits{PerSource: 1}
			if name == "preforking" {
				s.Strategy = &framework.Preforking{Workers: 1}
			}
			frameworktest.Serve(t, s)
			held := frameworktest.Dial(t, s)
			frameworktest.Send(t, held, "hold\n")
			frameworktest.Expect(t, held, "holding\n")
			frameworktest.ExpectEnd(t, frameworktest.Dial(t, s))
			require.Equal(t, framework.RefusedPerSource, frameworktest.Await(t, r.refused))
			frameworktest.Send(t, held, "go\n")
			frameworktest.Await(t, r.ended)
			require.Len(t, r.accepted, 2)
		})
	}
	r := newTracer()
	s := newServer["tcp"](t, class(t, act))
	s.Trace, s.VerifyRequest = &r.Trace, func(*framework.Request) bool { return false }
	frameworktest.Serve(t, s)
	frameworktest.ExpectEnd(t, frameworktest.Dial(t, s))
	require.Equal(t, framework.RefusedVerify, frameworktest.Await(t, r.refused))
}

// A process that is killed under its requests ends them, and itself.
func TestTraceOfAKilledProcess(t *testing.T) {
	for _, strategy := range []framework.Strategy{&framework.Forking{}, &framework.Preforking{Workers: 1}} {
		r := newTracer()
		s := newServer["tcp"](t, class(t, act))
		s.Strategy, s.Trace = strategy, &r.Trace
		frameworktest.Serve(t, s)
		frameworktest.Send(t, frameworktest.Dial(t, s), "kill 9\n")
		o := frameworktest.Await(t, r.ended)
		require.ErrorIs(t, o.Err, framework.ErrWorkerGone)
		require.ErrorContains(t, o.Err, "signal: killed")
		require.NotZero(t, o.Pid)
		require.True(t, o.Started)
		require.Negative(t, o.In, "nobody has counted them")
		require.Negative(t, o.Out)
	}
}
