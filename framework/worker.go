package framework

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// A Worker is the server's side of a process that finishes requests; the process's side
// is [ServeChannel]. A connection is handed over with its descriptor and then closed
// here, so that the process owns it alone; the answer of a datagram comes back and is
// sent from here. The end of the channel means that the other side has gone.
type Worker struct {
	channel *handoff.Conn
	end     func() error // waits until the process has gone and says why
	kill    func()       // ends the process

	ready chan struct{} // closed when hello has arrived
	gone  chan struct{} // closed when the process has ended
	hello hello

	mu       sync.Mutex
	last     uint64
	pending  map[uint64]*handed
	err      error // why it has gone
	inFlight bound
	full     ratelog.Limiter
}

// handed is a request that the worker has, or a socket.
type handed struct {
	server  *BaseServer
	request *Request // nil: a socket
	outcome chan error
	kept    bool // the connection is open here too, until the worker has it
}

// hello is what a worker says first.
type hello struct {
	Build string `json:"build"` // see Build; empty where it was not asked
	Files int    `json:"files"` // its limit of open descriptors; 0: none
}

// untakenPatience is how long a process that takes no requests may take to end.
const untakenPatience = time.Second

// reservedFiles is how many descriptors a worker is left for itself.
const reservedFiles = 64

// NewWorker takes over channel. end is called once, when the channel has ended; it must
// make sure that the process goes, wait for it, and say why it went. kill ends the
// process at once; it may be called at any time.
func NewWorker(channel *handoff.Conn, end func() error, kill func()) *Worker {
	w := &Worker{
		channel: channel, end: end, kill: kill, pending: map[uint64]*handed{},
		ready: make(chan struct{}), gone: make(chan struct{}),
	}
	go w.receive()
	return w
}

// Ready waits until the worker has said what it is.
func (w *Worker) Ready(timeout time.Duration) error {
	select {
	case <-w.ready:
		return nil
	case <-w.gone:
		return w.err
	case <-time.After(timeout):
		return fmt.Errorf("the worker did not say hello within %s", timeout)
	}
}

// Gone is closed when the process has ended.
func (w *Worker) Gone() <-chan struct{} { return w.gone }

// Close tells the process that there are no more requests; it ends when it is done.
func (w *Worker) Close() {
	w.channel.Unblock()
	_ = w.channel.CloseWrite()
}

// receive reads what the worker says until its channel ends.
func (w *Worker) receive() {
	var err error
	for err == nil {
		err = w.channel.Receive(w.take)
	}
	if !errors.Is(err, io.EOF) { // it does not keep to the protocol
		w.kill()
	}
	w.channel.Unblock()
	why := w.end()
	if why == nil {
		why = errors.New("it ended")
	}
	w.mu.Lock()
	w.err = fmt.Errorf("the worker process has gone: %w", why)
	pending := w.pending
	w.pending = nil
	w.mu.Unlock()
	_ = w.channel.Close()
	close(w.gone)
	for _, h := range pending {
		if h.kept {
			h.outcome <- fmt.Errorf("%w: %w", errUntaken, w.err)
			continue
		}
		h.outcome <- w.err
	}
}

// take handles one frame. An error means that the worker can not be trusted any more.
func (w *Worker) take(f handoff.Frame) error {
	switch f.Kind {
	case handoff.Hello:
		if w.saidHello() {
			return errors.New("said hello twice")
		}
		if err := json.Unmarshal(f.Body, &w.hello); err != nil {
			return fmt.Errorf("read hello: %w", err)
		}
		close(w.ready)
		return nil
	case handoff.Taken:
		w.mu.Lock()
		h := w.pending[f.ID]
		kept := h != nil && h.kept
		if kept {
			h.kept = false
		}
		w.mu.Unlock()
		if !kept {
			return fmt.Errorf("took request %d, which it was not given", f.ID)
		}
		h.server.CloseRequest(h.request)
		return nil
	case handoff.Outcome:
		w.mu.Lock()
		h := w.pending[f.ID]
		delete(w.pending, f.ID)
		w.mu.Unlock()
		if h == nil {
			return fmt.Errorf("outcome of request %d, which it does not have", f.ID)
		}
		h.outcome <- h.conclude(&f)
		return nil
	case handoff.Quit:
		w.mu.Lock()
		h := w.pending[f.ID]
		w.mu.Unlock()
		if h != nil { // else it has stopped: what a handler left behind may still ask
			h.server.stopServer()
		}
		return nil
	}
	return fmt.Errorf("frame of kind %d", f.Kind)
}

// conclude does what the outcome asks for.
func (h *handed) conclude(f *handoff.Frame) error {
	if h.request == nil {
		return outcomeError(f)
	}
	if f.Flags&handoff.Stop != 0 {
		h.request.StopServer()
	}
	err := outcomeError(f)
	if h.request.packet != nil && len(f.Body) > 0 {
		h.request.leave(h.server)
		if failed := h.request.packet.origin.answer(h.request.packet, f.Body); err == nil {
			err = failed
		}
	}
	return err
}

// outcomeError makes of an outcome what the handler's error was. Errors cross a process
// as text; the kinds that the log tells apart are kept.
func outcomeError(f *handoff.Frame) error {
	switch f.Status {
	case handoff.OK:
		return nil
	case handoff.PeerGone:
		return &foreignError{f.Text, ErrPeerGone}
	case handoff.TimedOut:
		return &foreignError{f.Text, os.ErrDeadlineExceeded}
	case handoff.Panicked:
		value, stack, _ := strings.Cut(f.Text, "\n")
		return &PanicError{Value: value, Stack: []byte(stack)}
	}
	return errors.New(f.Text)
}

// A foreignError is what another process said of an error of that kind.
type foreignError struct {
	text string
	kind error
}

func (e *foreignError) Error() string { return e.text }
func (e *foreignError) Unwrap() error { return e.kind }

// Finish hands r over and waits for its outcome. last says that the worker gets no
// other request.
func (w *Worker) Finish(s *BaseServer, r *Request, last bool) error {
	if last {
		return w.finish(s, r, handoff.Last)
	}
	return w.finish(s, r, 0)
}

func (w *Worker) finish(s *BaseServer, r *Request, flags byte) error {
	if files := w.files(); files > 0 {
		if !w.inFlight.acquire(files, s.Done()) {
			return ErrServerClosed
		}
		defer w.inFlight.release()
	}
	id, h, err := w.register(s, r, flags&handoff.Tell != 0)
	if err != nil {
		return fmt.Errorf("%w: %w", errUntaken, err)
	}
	r.onAbort(w.kill)
	if err := w.handOver(s, r, id, flags); err != nil {
		w.forget(id)
		if channelEnded(err) || w.ended() {
			return fmt.Errorf("%w: %w", errUntaken, err)
		}
		return fmt.Errorf("hand over: %w", err)
	}
	return w.await(s, id, h)
}

// await waits for the outcome of what was handed over, and passes on that s stops.
func (w *Worker) await(s *BaseServer, id uint64, h *handed) error {
	done := s.Done()
	for {
		select {
		case err := <-h.outcome:
			return err
		case <-done:
			done = nil
			cancel := &handoff.Frame{Kind: handoff.Cancel, ID: id}
			if errors.Is(w.channel.TrySend(cancel), handoff.ErrFull) {
				go func() { _ = w.channel.Send(cancel, nil) }() // ends with the worker at the latest
			}
		}
	}
}

// files is how many connections the worker may hold; 0 while that is not known.
func (w *Worker) files() int {
	if !w.saidHello() {
		return 0
	}
	return max(w.hello.Files-reservedFiles, 1)
}

func (w *Worker) saidHello() bool { return isClosed(w.ready) }

func (w *Worker) register(s *BaseServer, r *Request, keep bool) (uint64, *handed, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pending == nil {
		return 0, nil, w.err
	}
	w.last++
	h := &handed{server: s, request: r, outcome: make(chan error, 1), kept: keep}
	w.pending[w.last] = h
	return w.last, h, nil
}

// ended says whether the process has gone: the channel is closed then, or is about to be.
func (w *Worker) ended() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pending == nil
}

func (w *Worker) forget(id uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pending, id)
}
