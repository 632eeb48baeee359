package worker

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// A Process is the server's side of a process that finishes tasks; [Parent] is the other
// side. A connection is handed over by its descriptor and then closed here, so that the
// process owns it alone; the answer to a datagram comes back with the outcome. The end of
// the channel means that the other side has gone.
type Process struct {
	channel *handoff.Conn
	events  *events      // nil: they come by the channel
	end     func() error // waits until the process has gone and returns why
	kill    func()
	quit    func() // the process itself asks the server to stop
	calls   Calls  // nil: there is no state
	pid     int
	log     hclog.Logger

	ready    chan struct{} // closed when hello has arrived
	began    int64         // when that was
	gone     chan struct{} // closed when the process has ended
	answered chan struct{} // has one when the process has sent something since the last Ping
	hello    Hello

	mu       sync.Mutex
	last     uint64
	pending  map[uint64]*inflight // nil: the process has gone
	err      error                // why it has gone
	inFlight slots.Semaphore
	full     ratelog.Limiter

	layers layers
}

type inflight struct {
	task    *Task
	outcome chan error
	kept    bool // the caller keeps its copy of the descriptor until the process has it

	mu   sync.Mutex // held during an event
	over bool       // there are no more events
}

// event passes a frame about the task on, unless the task is over: what a handler left behind may still ask.
func (h *inflight) event(p *Process, f *handoff.Frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.over && h.task.Event != nil {
		h.task.Event(p, f)
	}
}

// end is called before the task is over, however that comes, after the last event.
func (h *inflight) end(p *Process, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return
	}
	if h.over = true; h.task.Over != nil {
		h.task.Over(p, err)
	}
}

// Calls answers what a process asks for that is none of its tasks: the state.
type Calls interface {
	// Take does not wait, and keeps nothing of f. After an error the process is not trusted any more.
	Take(f *handoff.Frame) error
	// Close is called when the process has gone.
	Close()
}

// NewCalls makes the Calls of a process, which send leads to. With wait it waits for room.
type NewCalls func(send func(f *handoff.Frame, wait bool) error) Calls

// NewProcess takes over channel. end is called once, when the channel has ended; it must
// make sure that the process goes, wait for it, and return why it went. kill ends the
// process at once; it may be called at any time. quit is called when the process itself, not one of its
// tasks, asks the server to stop.
func NewProcess(channel *handoff.Conn, pid int, log hclog.Logger, end func() error, kill, quit func(), calls NewCalls) *Process {
	return newProcess(channel, nil, pid, log, end, kill, quit, calls)
}

// newProcess is NewProcess of one that has a journal of its events.
func newProcess(channel *handoff.Conn, events *events, pid int, log hclog.Logger, end func() error, kill, quit func(), calls NewCalls) *Process {
	p := &Process{
		channel: channel, events: events, pid: pid, log: log, end: end, kill: kill, quit: quit, pending: map[uint64]*inflight{},
		ready: make(chan struct{}), gone: make(chan struct{}), answered: make(chan struct{}, 1),
	}
	if calls != nil {
		p.calls = calls(p.send)
	}
	events.start(p)
	go p.receive()
	return p
}

func (p *Process) send(f *handoff.Frame, wait bool) error {
	if !wait {
		return p.channel.TrySend(f)
	}
	return p.channel.Send(f, nil)
}

// Pid returns the number of the process, which is another one's once this one has gone.
func (p *Process) Pid() int { return p.pid }

// Gone is closed when the process has ended.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Close tells the process that there are no more tasks; it ends when it is done.
func (p *Process) Close() {
	p.channel.Unblock()
	_ = p.channel.CloseWrite()
}

// Disconnect reads no more of what the process sends: what it left behind may keep the
// channel open.
func (p *Process) Disconnect() { _ = p.channel.CloseRead() }

// receive reads what the process sends until its channel ends.
func (p *Process) receive() {
	var err error
	for err == nil {
		err = p.channel.Receive(p.take)
	}
	if !errors.Is(err, io.EOF) { // it does not keep to the protocol
		p.kill()
	}
	p.channel.Unblock()
	if p.calls != nil {
		p.calls.Close()
	}
	why := p.end()
	_ = p.events.close() // all that the process has written is read before its tasks end
	if why == nil {
		why = errors.New("it ended")
	}
	p.mu.Lock()
	p.err = fmt.Errorf("%w: %w", ErrGone, why)
	pending := p.pending
	p.pending = nil
	p.mu.Unlock()
	_ = p.channel.Close()
	close(p.gone)
	for _, t := range pending {
		t.end(p, p.err)
		if t.kept {
			t.outcome <- fmt.Errorf("%w: %w", ErrNotTaken, p.err)
			continue
		}
		t.outcome <- p.err
	}
}

// take handles one frame, after the events that precede it. An error means that the process cannot
// be trusted any more.
func (p *Process) take(f handoff.Frame) error {
	select {
	case p.answered <- struct{}{}:
	default: // it has one already
	}
	if err := p.events.read(); err != nil {
		return err
	}
	switch {
	case f.Kind == handoff.Hello:
		return p.greet(f.Body)
	case f.Kind == handoff.Wake, f.Kind == handoff.Pong: // its events have been read, and it has answered
		return nil
	case f.Kind == handoff.Quit && f.ID == 0:
		p.quit()
		return nil
	case f.Kind == handoff.Ask:
		return p.ask(&f)
	case f.Kind == handoff.State && p.calls != nil && p.saidHello() && p.hello.State:
		return p.calls.Take(&f)
	}
	return p.takeAbout(&f)
}

// greet handles the hello of the process.
func (p *Process) greet(hello []byte) error {
	if p.saidHello() {
		return errors.New("said hello twice")
	}
	if err := json.Unmarshal(hello, &p.hello); err != nil {
		return fmt.Errorf("read hello: %w", err)
	}
	p.began = conn.Now()
	close(p.ready)
	return nil
}

// takeAbout handles a frame about one of the tasks.
func (p *Process) takeAbout(f *handoff.Frame) error {
	p.mu.Lock()
	t := p.pending[f.ID]
	kept := t != nil && t.kept
	retired := f.Kind == handoff.Ack && t != nil && t.task.Takers != nil
	switch {
	case f.Kind == handoff.Ack && kept:
		t.kept = false
	case f.Kind == handoff.Outcome:
		delete(p.pending, f.ID)
	}
	p.mu.Unlock()
	switch f.Kind {
	case handoff.Ack:
		if retired {
			t.task.Takers.leave(p)
			return nil
		}
		if !kept {
			return fmt.Errorf("took request %d, which it was not given", f.ID)
		}
		t.task.Acked()
	case handoff.Outcome:
		if t == nil {
			return fmt.Errorf("outcome of request %d, which it does not have", f.ID)
		}
		err := t.task.Conclude(f)
		t.end(p, cmp.Or(err, errUnreported))
		t.outcome <- err
	case handoff.Quit, handoff.Event:
		if t != nil {
			t.event(p, f)
		}
	default:
		return fmt.Errorf("frame of kind %d", f.Kind)
	}
	return nil
}

func (p *Process) register(t *Task) (uint64, *inflight, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		return 0, nil, p.err
	}
	p.last++
	h := &inflight{task: t, outcome: make(chan error, 1), kept: t.WantAck}
	p.pending[p.last] = h
	return p.last, h, nil
}

// ended reports whether the process has gone: the channel is closed then, or is about to be.
func (p *Process) ended() bool {
	_, alive := p.tasks()
	return !alive
}

// tasks returns the number of tasks that the process has, while it has not gone.
func (p *Process) tasks() (n int, alive bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pending), p.pending != nil
}

// forget ends a task that has not been handed over, which a process that does not keep to the protocol
// may have reported events of.
func (p *Process) forget(id uint64, h *inflight, err error) {
	p.mu.Lock()
	delete(p.pending, id)
	p.mu.Unlock()
	h.end(p, err)
}

// errUnreported is the error of a request that a process has begun and not ended when it was done with the socket.
var errUnreported = errors.New("its worker has not reported its end")
