package load

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/usage"
)

// A Round is what the clients of a [Plan] measured while they were counted.
type Round struct {
	Answered int64 // requests
	Warm     int64 // requests answered in the warm-up
	Elapsed  time.Duration

	// Latencies are of answered requests, and of those that waited until their timeout or the end
	// of the round. They begin when the request was sent; in an open loop, when it was due. Those
	// of several rounds merge.
	Latencies *hdrhistogram.Histogram

	Errors   map[string]int64 // failed requests by kind, as [Refused]
	Unserved int              // clients that got no answer at all
	// Unfinished is the number of requests that had waited longer than p50 when the round ended:
	// their latencies are lower bounds.
	Unfinished int64
	// CPU is what this process used during Watched, which is shorter than the round if the
	// processors were busy; less than 0: not known.
	CPU     time.Duration
	Watched time.Duration
}

// round is shared by the clients while they run.
type round struct {
	Plan
	ctx        context.Context // done when the round is over
	cancel     context.CancelFunc
	begin, end time.Time // of the counted time
	number     int64     // in the names of the clients' own unixgram sockets
	shards     []shard
	ports      ports
}

// Run runs the clients of p for its warm-up and its duration. Errors of the server are counted; an
// error is returned if ctx is done. All sockets are closed when Run returns.
func Run(ctx context.Context, p Plan) (*Round, error) {
	start := time.Now()
	r := newRound(ctx, p, start)
	defer r.cancel()
	var working sync.WaitGroup
	clients := make([]*client, p.Clients)
	for i := range clients {
		clients[i] = newClient(r, i, start)
	}
	for _, c := range clients {
		working.Go(c.run)
	}
	own, err := r.wait(ctx, clients)
	working.Wait()
	if err != nil {
		return nil, fmt.Errorf("load on %s: %w", p.Address, err)
	}
	sum := r.sum(clients)
	sum.CPU, sum.Watched = own.used, own.watched
	return sum, nil
}

// Unanswered is the error of a request without an answer, or with a wrong one.
type Unanswered struct {
	Kind string // as [Refused]
	Got  []byte // the part of an answer that arrived
}

func (u *Unanswered) Error() string { return u.Kind }

// Try sends one request and returns its latency. The error is an [*Unanswered] if there is no
// answer or a wrong one.
func Try(ctx context.Context, p Plan) (time.Duration, error) {
	p.Clients, p.Rate, p.Warmup, p.Duration = 1, 0, 0, p.Timeout
	start := time.Now()
	r := newRound(ctx, p, start)
	defer r.cancel()
	c := newClient(r, 0, start)
	defer c.close()
	defer context.AfterFunc(r.ctx, c.stop)()
	if err := c.request(); err != nil {
		return 0, &Unanswered{kind(err), c.answer}
	}
	return time.Since(start), nil
}

// newRound makes a round, which the caller cancels.
func newRound(ctx context.Context, p Plan, start time.Time) *round {
	begin := start.Add(p.Warmup)
	r := &round{
		Plan: p, begin: begin, end: begin.Add(p.Duration), number: rounds.Add(1),
		shards: newShards(min(p.Clients, runtime.GOMAXPROCS(0))),
	}
	r.ports.init(start)
	r.ctx, r.cancel = context.WithDeadline(ctx, r.end)
	return r
}

// rounds numbers those of this process.
var rounds atomic.Int64

// effort is the CPU time that this process used in a span of time.
type effort struct{ used, watched time.Duration }

// wait waits until the round is over and stops the clients. It measures this process in the
// counted time.
func (r *round) wait(ctx context.Context, clients []*client) (effort, error) {
	select {
	case <-time.After(time.Until(r.begin)):
	case <-ctx.Done():
	}
	before, since := usage.Self(), time.Now()
	if r.Begin != nil && ctx.Err() == nil {
		r.Begin()
	}
	<-r.ctx.Done()
	own := effort{usage.Since(before, usage.Self()), time.Since(since)}
	if r.End != nil && ctx.Err() == nil {
		r.End()
	}
	for _, c := range clients {
		c.stop()
	}
	return own, ctx.Err()
}

// sum adds up what the clients counted.
func (r *round) sum(clients []*client) *Round {
	sum := &Round{Elapsed: r.Duration, Latencies: newHistogram(), Errors: map[string]int64{}}
	for i := range r.shards {
		sum.Latencies.Merge(r.shards[i].latencies)
	}
	// A wait that the end of the round cut short is a lower bound only if it is longer than usual.
	usual := time.Duration(sum.Latencies.ValueAtPercentile(50))
	for _, c := range clients {
		sum.Answered += c.answered
		sum.Warm += c.warm
		for kind, n := range c.errors {
			sum.Errors[kind] += n
		}
		wanted := len(c.errors) > 0
		c.unanswered(func(waited time.Duration, times int64) {
			wanted = true
			if waited > usual {
				record(sum.Latencies, waited, times)
				sum.Unfinished += times
			}
		})
		if wanted && c.answered == 0 {
			sum.Unserved++
		}
	}
	return sum
}
