// Package load has the clients of a comparison: they send requests to a server, as fast as it
// answers or at a given rate, and count answers, latencies and errors.
package load

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/usage"
)

// How a client knows the end of an answer. The answer to a datagram is always one datagram.
const (
	Line  = "line"  // it ends with a newline
	Chunk = "chunk" // it is one read
	EOF   = "eof"   // it ends when the server closes; the client half-closes after sending
)

// maxAnswer is the number of bytes of an answer that are read.
const maxAnswer = 1 << 20

// A Plan is what the clients do in one round.
type Plan struct {
	Network string // tcp, udp, unix or unixgram
	Address string // as net.Dial takes it
	Kind    string // result.Connections, result.Conversations or result.Datagrams
	Clients int    // at once, each with at most one request in flight

	// Rate is the number of requests per second of all clients together, whether or not the server
	// keeps up (open loop). 0: each client sends its next request on receipt of the answer.
	Rate float64

	Message  []byte
	Answer   string        // Line, Chunk or EOF
	Contains []byte        // text of every answer; empty: any answer is right
	Timeout  time.Duration // after which a request fails; it may be an eighth late

	Warmup   time.Duration // load that is not counted
	Duration time.Duration // load that is counted

	// Begin and End, if not nil, are called when the counted time begins and ends, while the
	// clients run. They should be quick.
	Begin, End func()
}

// A Round is what the clients of a [Plan] measured while they were counted. The subject's CPU and the
// share of other programs are not known here.
type Round struct {
	result.Round
	Warm int64 // requests answered in the warm-up

	// Latencies are of answered requests, and of those that waited until their timeout or the end
	// of the round. They begin when the request was sent; in an open loop, when it was due. Those
	// of several rounds merge.
	Latencies *hdrhistogram.Histogram

	Errors map[string]int64 // failed requests by kind, as [Refused]
	// Unfinished is the number of requests that had waited longer than p50 when the round ended:
	// their latencies are lower bounds.
	Unfinished int64
	Own        time.Duration // CPU time of this process; less than 0: not known
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
	own, share := r.wait(ctx, clients)
	working.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("load on %s: %w", p.Address, err)
	}
	sum := r.sum(clients)
	sum.Own, sum.Generator = own, share
	return sum, nil
}

// Unanswered is the error of a request without an answer, or with a wrong one.
type Unanswered struct {
	Kind string // as [Refused]
	Got  []byte // the part of an answer that arrived
}

func (u *Unanswered) Error() string { return u.Kind }

// Try sends one request, and in a conversation another one, and returns the latency of the first. The
// error is an [*Unanswered] if there is no answer or a wrong one.
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
	took := time.Since(start)
	if p.Kind == result.Conversations {
		c.now = time.Now()
		if err := c.request(); kind(err) == ClosedEarly || kind(err) == Reset {
			return 0, &Unanswered{Ended, nil}
		}
	}
	return took, nil
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

// wait waits until the round is over and stops the clients. It returns the CPU time of this process in
// the counted time, and its share of all that the machine has.
func (r *round) wait(ctx context.Context, clients []*client) (own time.Duration, share float64) {
	select {
	case <-time.After(time.Until(r.begin)):
	case <-ctx.Done():
	}
	before, since := usage.Self(), time.Now()
	if r.Begin != nil && ctx.Err() == nil {
		r.Begin()
	}
	<-r.ctx.Done()
	own = usage.Since(before, usage.Self())
	// The time that was watched is shorter than the round if the processors were busy.
	share = float64(own) / float64(time.Since(since)) / float64(runtime.NumCPU())
	if r.End != nil && ctx.Err() == nil {
		r.End()
	}
	for _, c := range clients {
		c.stop()
	}
	return own, share
}

// sum adds up what the clients counted.
func (r *round) sum(clients []*client) *Round {
	sum := &Round{Round: result.Round{Elapsed: r.Duration}, Latencies: NewHistogram(), Errors: map[string]int64{}}
	for i := range r.shards {
		sum.Latencies.Merge(r.shards[i].latencies)
	}
	// A wait that the end of the round cut short is a lower bound only if it is longer than usual.
	usual := time.Duration(sum.Latencies.ValueAtPercentile(50))
	for _, c := range clients {
		sum.Requests += c.answered
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
	sum.Rate, sum.Latency = float64(sum.Requests)/r.Duration.Seconds(), Summary(sum.Latencies)
	return sum
}
