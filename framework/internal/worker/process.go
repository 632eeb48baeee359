package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
	"github.com/go-socketserver/socketserver/internal/ratelog"
	"github.com/go-socketserver/socketserver/internal/text"
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
	pid     int
	log     hclog.Logger

	ready chan struct{} // closed when hello has arrived
	gone  chan struct{} // closed when the process has ended
	pong  chan struct{} // has one when it has answered a ping
	hello Hello

	mu       sync.Mutex
	last     uint64
	pending  map[uint64]*inflight // nil: the process has gone
	err      error                // why it has gone
	inFlight slots.Semaphore
	full     ratelog.Limiter
}

type inflight struct {
	task    *Task
	outcome chan error
	kept    bool // the caller keeps its copy of the descriptor until the process has it
}

// Hello is what a process says first.
type Hello struct {
	Build string `json:"build"` // see framework.Build; empty where it was not asked
	Files int    `json:"files"` // its limit of open descriptors; 0: none

	// Of a worker that speaks for itself, as a plugin without control service does.

	Networks []string  `json:"networks,omitempty"`
	Stateful string    `json:"stateful,omitempty"` // what it keeps in memory between requests
	Options  []Option  `json:"options,omitempty"`
	Problems []Problem `json:"problems,omitempty"` // why it does not serve
	Forks    bool      `json:"forks,omitempty"`    // it has a process of its own for each request
	Ping     bool      `json:"ping,omitempty"`     // it answers pings
}

// An Option of a worker has the fields of the framework's.
type Option struct {
	Name    string          `json:"name"`
	Type    string          `json:"type"`
	Default json.RawMessage `json:"default"`
	Doc     string          `json:"doc"`
}

// A Problem has the fields of the framework's OptionError.
type Problem struct {
	Option  string `json:"option"` // empty: it is none of an option
	Problem string `json:"problem"`
}

// problem returns why the worker does not serve.
func (h *Hello) problem() error {
	if len(h.Problems) == 0 {
		return nil
	}
	return errors.New(text.Line(h.Problems[0].Problem))
}

// reservedFiles is the number of descriptors that a process keeps for itself.
const reservedFiles = 64

// NewProcess takes over channel. end is called once, when the channel has ended; it must
// make sure that the process goes, wait for it, and return why it went. kill ends the
// process at once; it may be called at any time. quit is called when the process itself, not one of its
// tasks, asks the server to stop.
func NewProcess(channel *handoff.Conn, pid int, log hclog.Logger, end func() error, kill, quit func()) *Process {
	return newProcess(channel, nil, pid, log, end, kill, quit)
}

// newProcess is NewProcess of one that has a journal of its events.
func newProcess(channel *handoff.Conn, events *events, pid int, log hclog.Logger, end func() error, kill, quit func()) *Process {
	p := &Process{
		channel: channel, events: events, pid: pid, log: log, end: end, kill: kill, quit: quit, pending: map[uint64]*inflight{},
		ready: make(chan struct{}), gone: make(chan struct{}), pong: make(chan struct{}, 1),
	}
	events.start(p)
	go p.receive()
	return p
}

// Ready waits for the hello.
func (p *Process) Ready(timeout time.Duration) error {
	select {
	case <-p.ready:
		return nil
	case <-p.gone:
		return p.err
	case <-time.After(timeout):
		return fmt.Errorf("the worker did not say hello within %s", timeout)
	}
}

// Configure tells the process what to be, as JSON. Where it has gone already this fails, and its
// first task gets that error.
func (p *Process) Configure(as []byte) {
	_ = p.channel.Send(&handoff.Frame{Kind: handoff.Configure, Body: as}, nil)
}

// Hello returns what the process has said, once it is Ready.
func (p *Process) Hello() *Hello { return &p.hello }

// Ping waits until the process has answered. One call at a time.
func (p *Process) Ping(ctx context.Context) error {
	select { // the answer to one that was given up
	case <-p.pong:
	default:
	}
	if err := p.channel.TrySend(&handoff.Frame{Kind: handoff.Ping}); err != nil {
		return err
	}
	select {
	case <-p.pong:
		return nil
	case <-p.gone:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

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
		if t.task.Gone != nil {
			t.task.Gone(p.pid, p.err)
		}
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
	if err := p.events.read(); err != nil {
		return err
	}
	if f.Kind == handoff.Hello {
		if p.saidHello() {
			return errors.New("said hello twice")
		}
		if err := json.Unmarshal(f.Body, &p.hello); err != nil {
			return fmt.Errorf("read hello: %w", err)
		}
		close(p.ready)
		return nil
	}
	switch {
	case f.Kind == handoff.Wake: // its events have been read
		return nil
	case f.Kind == handoff.Pong:
		select {
		case p.pong <- struct{}{}:
		default: // nobody waits for it any more
		}
		return nil
	case f.Kind == handoff.Quit && f.ID == 0:
		p.quit()
		return nil
	}
	p.mu.Lock()
	t := p.pending[f.ID]
	kept := t != nil && t.kept
	switch {
	case f.Kind == handoff.Ack && kept:
		t.kept = false
	case f.Kind == handoff.Outcome:
		delete(p.pending, f.ID)
	}
	p.mu.Unlock()
	switch f.Kind {
	case handoff.Ack:
		if !kept {
			return fmt.Errorf("took request %d, which it was not given", f.ID)
		}
		t.task.Acked()
	case handoff.Outcome:
		if t == nil {
			return fmt.Errorf("outcome of request %d, which it does not have", f.ID)
		}
		t.outcome <- t.task.Conclude(&f)
	case handoff.Quit, handoff.Event:
		if t != nil && t.task.Event != nil { // else it is over: what a handler left behind may still ask
			t.task.Event(p.pid, &f)
		}
	default:
		return fmt.Errorf("frame of kind %d", f.Kind)
	}
	return nil
}

// Do hands t over and waits until it is over. The error wraps ErrNotTaken where another
// process can be given t.
func (p *Process) Do(t *Task) error {
	if files := p.files(); files > 0 {
		if !p.inFlight.Acquire(files, t.Stop) {
			return ErrServerClosed
		}
		defer p.inFlight.Release()
	}
	id, h, err := p.register(t)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotTaken, err)
	}
	if t.Killable != nil {
		var over atomic.Bool // another task may have the process then
		defer over.Store(true)
		t.Killable(p.pid, func() {
			if !over.Load() {
				p.kill()
			}
		})
	}
	if err := p.handOver(t, id); err != nil {
		p.forget(id)
		if channelEnded(err) || p.ended() {
			return fmt.Errorf("%w: %w", ErrNotTaken, err)
		}
		return fmt.Errorf("hand over: %w", err)
	}
	return p.await(t, id, h)
}

// notTakenPatience is the time that a process that takes no tasks has to end.
const notTakenPatience = time.Second

// Offer has one process after the other do t, until one takes it. next waits for the next one,
// which has not gone.
func Offer(t *Task, next func() (*Process, error)) error {
	for {
		p, err := next()
		if err != nil {
			return err
		}
		if err = p.Do(t); !errors.Is(err, ErrNotTaken) || life.Closed(t.Stop) {
			return err
		}
		select { // until then it would be offered again
		case <-p.gone:
		case <-t.Stop:
			return ErrServerClosed
		case <-time.After(notTakenPatience):
			p.kill() // it lives and takes nothing
		}
	}
}

// await waits for the outcome, and passes on that the task is to retire or to stop.
func (p *Process) await(t *Task, id uint64, h *inflight) error {
	stop, retire := t.Stop, t.Retire
	for {
		select {
		case err := <-h.outcome:
			return err
		case <-retire:
			retire = nil
			p.cancel(&handoff.Frame{Kind: handoff.Cancel, ID: id})
		case <-stop:
			stop, retire = nil, nil
			p.cancel(&handoff.Frame{Kind: handoff.Cancel, Flags: handoff.Stop, ID: id})
		}
	}
}

func (p *Process) cancel(f *handoff.Frame) {
	if errors.Is(p.channel.TrySend(f), handoff.ErrFull) {
		go func() { _ = p.channel.Send(f, nil) }() // ends with the process at the latest
	}
}

func (p *Process) handOver(t *Task, id uint64) error {
	f := &t.Frame
	f.ID = id
	if t.WantAck {
		f.Flags |= handoff.WantAck
	}
	if t.Socket == nil {
		return p.handOverDatagram(f)
	}
	if err := p.sendPatiently(f, t.Socket, t.Stop); err != nil {
		return err
	}
	if !t.WantAck && t.Acked != nil {
		t.Acked()
	}
	return nil
}

// handOverDatagram drops what the process has no room for, as the kernel drops what a socket
// has no room for.
func (p *Process) handOverDatagram(f *handoff.Frame) error {
	err := p.channel.TrySend(f)
	if !errors.Is(err, handoff.ErrFull) {
		return err
	}
	if more, ok := p.full.Allow(1); ok {
		p.log.Warn("datagram dropped: the worker is busy", ratelog.More(more)...)
	}
	return ErrDropped
}

// sendPatiently retries while too many descriptors of this user are in flight between
// processes, which passes when their receivers read.
func (p *Process) sendPatiently(f *handoff.Frame, socket syscall.Conn, stop <-chan struct{}) error {
	const patience = time.Second
	for delay := 5 * time.Millisecond; ; delay *= 2 {
		err := p.channel.Send(f, socket)
		if !errors.Is(err, syscall.ETOOMANYREFS) {
			return err
		}
		if delay > patience {
			return fmt.Errorf("more descriptors are in flight to workers than this process may have open; raise the limit (ulimit -n): %w", err)
		}
		select {
		case <-time.After(delay):
		case <-stop:
			return ErrServerClosed
		}
	}
}

// channelEnded reports whether a send failed because the other side has gone, or was still
// waiting when it went.
func channelEnded(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ENOTCONN)
}

// files returns the number of connections that the process may hold; 0: not known yet.
func (p *Process) files() int {
	if !p.saidHello() || p.hello.Files == 0 {
		return 0
	}
	return max(p.hello.Files-reservedFiles, 1)
}

func (p *Process) saidHello() bool { return life.Closed(p.ready) }

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

func (p *Process) forget(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pending, id)
}
