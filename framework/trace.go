package framework

import (
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// A Trace is called with what happens to the requests of a server. Each function may be nil.
// They are called by many goroutines and must not wait: a request does not go on meanwhile.
// Requests in workers that accept for themselves, see [SocketSharer], are reported by the
// workers; each is a Request with its addresses only, the same one in all calls.
type Trace struct {
	// AcceptFailed is called when the transport could not get a request, as where no descriptor is
	// left, and is going to try again. Workers that accept for themselves log that only.
	AcceptFailed func(error)
	// Accepted is called when a client has connected or a datagram has arrived, after the preamble
	// where there is one.
	Accepted func(*Request)
	// Refused is called for a request that is not served.
	Refused func(*Request, Refusal)
	// Started is called when the request begins to run: in a goroutine or in the process pid.
	Started func(r *Request, at Place, pid int)
	// Ended is called when a request that was not refused is over.
	Ended func(*Request, Outcome)
	// Worker is called when a worker process starts and when it has ended.
	Worker func(WorkerEvent)
}

// An Outcome is how a request ended.
type Outcome struct {
	Err      error         // as for HandleError; nil: fine
	Duration time.Duration // since it was accepted
	Wait     time.Duration // until it began to run
	Started  bool          // it has begun to run
	Cut      bool          // the server was ending its requests by force
	In, Out  int64         // bytes from the client and to it; less than 0: nobody has counted them
	Pid      int           // of the worker; 0: this process
}

// A WorkerEvent is the start or the end of a worker process.
type WorkerEvent struct {
	Pid   int
	Ended bool
	Err   error // why it ended; nil: it was done
}

// traced is what a request keeps for the trace of its server.
type traced struct {
	began   int64  // when it was accepted
	waited  int64  // until it started
	started bool   // a worker that goes without taking it is followed by another
	pid     int    // of its worker
	in, out int64  // bytes that a worker has reported; -1: it has not
	number  uint64 // in a worker: what it calls the request in events
}

func (s *BaseServer) traceAcceptFailed(err error) {
	if s.Trace != nil && s.Trace.AcceptFailed != nil {
		s.Trace.AcceptFailed(err)
	}
}

// beginTrace records when r was accepted.
func (s *BaseServer) beginTrace(r *Request) {
	if s.Trace != nil {
		r.traced = &traced{began: conn.Now()}
	}
}

func (s *BaseServer) traceAccepted(r *Request) {
	if s.Trace != nil && s.Trace.Accepted != nil {
		s.Trace.Accepted(r)
	}
}

func (s *BaseServer) traceRefused(r *Request, why Refusal) {
	if s.Trace != nil && s.Trace.Refused != nil {
		s.Trace.Refused(r, why)
	}
}

func (s *BaseServer) traceStarted(r *Request, at Place, pid int) {
	if s.Trace == nil {
		return
	}
	first := !r.traced.started
	r.traced.started, r.traced.pid = true, pid
	if first {
		r.traced.waited = conn.Now() - r.traced.began
		if at == InWorkers {
			r.traced.in, r.traced.out = -1, -1 // until Moved
		}
	}
	if first && s.Trace.Started != nil {
		s.Trace.Started(r, at, pid)
	}
}

func (s *BaseServer) traceEnded(r *Request) {
	if s.Trace == nil || s.Trace.Ended == nil {
		return
	}
	in, out := r.bytes()
	t, lasted := r.traced, conn.Now()-r.traced.began
	s.Trace.Ended(r, Outcome{
		Err: r.err, Duration: time.Duration(lasted), Wait: time.Duration(t.waited), Started: t.started, Cut: s.isCut(),
		In: in, Out: out, Pid: t.pid,
	})
}

func (s *BaseServer) traceWorker(pid int, ended bool, err error) {
	if s.Trace != nil && s.Trace.Worker != nil {
		s.Trace.Worker(WorkerEvent{Pid: pid, Ended: ended, Err: err})
	}
}

// bytes returns the number of bytes that the client has sent and been sent; less than 0: nobody has counted them.
func (r *Request) bytes() (in, out int64) {
	switch {
	case r.packet != nil:
		return r.packet.Bytes()
	case r.files != nil:
		return r.files.Bytes()
	case r.traced != nil:
		return r.traced.in, r.traced.out
	}
	return 0, 0
}
