package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/journal"
	"github.com/go-socketserver/socketserver/framework/internal/process"
	"github.com/go-socketserver/socketserver/framework/internal/rawsock"
)

// A Parent is a process's side of its server, the mirror image of [Process].
type Parent struct {
	channel *handoff.Conn

	journal *journal.Writer // of events; nil: they are sent

	// Answer is called with each answer of the server's state, before Next returns. It is set before
	// Next is called, and must not keep the body of the frame.
	Answer func(*handoff.Frame)
	// Layer is called with each description of a layer, before Next returns, which returns its error. It is set before
	// Next is called.
	Layer func(id uint64, description []byte) error

	described []byte // the parts of a description that have arrived
	questions questions

	mu    sync.Mutex
	tasks map[uint64]func(stop bool) // under way, with what cancels each
}

// NewParent opens descriptor 3, or the one that the process was given in its place.
func NewParent(descriptor3 int) (*Parent, error) {
	channel, err := handoff.FromDescriptor(descriptor3)
	if err != nil {
		return nil, err
	}
	return &Parent{channel: channel, tasks: map[uint64]func(bool){}}, nil
}

// Adopt makes this process the worker of the server of that name, whose configuration it
// decodes into c. The error is io.EOF where the server had no use for it.
func Adopt(server string, c any) (*Parent, error) {
	process.SetName(server)
	// What is typed at the terminal and what a service manager sends to all processes is for
	// the server, which drains and ends its workers. Ignoring is cheaper than catching, by a
	// tenth of the life of a short child; programs that a handler starts ignore them, too.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	p, err := NewParent(3)
	if err != nil {
		return nil, err
	}
	if err := p.configuration(c); err != nil {
		return nil, fmt.Errorf("receive configuration: %w", err)
	}
	return p, nil
}

// configuration receives the first frame, of which it decodes the body into c.
func (p *Parent) configuration(c any) error {
	return p.channel.Receive(func(f handoff.Frame) error {
		if f.Kind != handoff.Configure {
			return fmt.Errorf("the first frame is of kind %d", f.Kind)
		}
		return json.Unmarshal(f.Body, c)
	})
}

// SayHello is to be called once, before Next, with what the process says of itself but its limits.
func (p *Parent) SayHello(h Hello) error {
	h.Files = process.OpenFilesLimit()
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := p.channel.Send(&handoff.Frame{Kind: handoff.Hello, Body: body}, nil); err != nil {
		return fmt.Errorf("say hello: %w", err)
	}
	return nil
}

// Next waits for a task and passes it to begin, which owns the socket and must not keep the
// body of the frame. begin is not called for a socket that was lost on its way, nor for a task
// that is cancelled, whose cancel function is called. The error is io.EOF when the server has
// no more tasks or has gone.
func (p *Parent) Next(begin func(f *handoff.Frame, socket *handoff.Descriptor) error) error {
	err := p.channel.ReceiveSocket(func(f handoff.Frame, socket *handoff.Descriptor, lost bool) error {
		switch f.Kind {
		case handoff.Datagram:
		case handoff.Stream, handoff.Listen:
			if err := arrived(socket, lost); err != nil {
				return p.Send(&handoff.Frame{Kind: handoff.Outcome, ID: f.ID, Status: handoff.Failed, Text: err.Error()})
			}
		case handoff.Cancel:
			return p.cancel(&f)
		case handoff.Answer:
			if p.Answer == nil {
				return errors.New("an answer that was not asked for")
			}
			rawsock.Monitor() // a handler goes on
			p.Answer(&f)
			return nil
		case handoff.Layer:
			if p.described = append(p.described, f.Body...); f.Flags&handoff.More != 0 {
				return nil
			}
			defer func() { p.described = nil }()
			return p.Layer(f.ID, p.described)
		case handoff.Reply:
			return p.questions.reply(&f)
		default:
			return fmt.Errorf("frame of kind %d", f.Kind)
		}
		if f.Flags&handoff.WantAck != 0 {
			if err := p.Send(&handoff.Frame{Kind: handoff.Ack, ID: f.ID}); err != nil {
				return errors.Join(err, socket.Close()) // the server gives it to another process
			}
		}
		return begin(&f, socket)
	})
	if err != nil {
		p.questions.end()
	}
	return err
}

// arrived reports that the descriptor of a frame is missing.
func arrived(socket *handoff.Descriptor, lost bool) error {
	if lost {
		return errors.New("the socket was lost: the worker is out of descriptors; raise the limit (ulimit -n)")
	}
	if socket == nil {
		return errors.New("the descriptor is missing")
	}
	return nil
}

// Begin keeps what cancels a task until Finish. It is called with stop where the requests of
// a socket are to end soon, and without where the socket is to take no more.
func (p *Parent) Begin(id uint64, cancel func(stop bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tasks[id] = cancel
}

func (p *Parent) cancel(f *handoff.Frame) error {
	rawsock.Monitor() // the handler goes on without a new request
	p.mu.Lock()
	cancel := p.tasks[f.ID]
	p.mu.Unlock()
	if cancel == nil {
		return nil
	}
	cancel(f.Flags&handoff.Stop != 0)
	if f.Flags&handoff.WantAck == 0 {
		return nil
	}
	p.mu.Lock() // what follows the outcome would be about a task that is over
	defer p.mu.Unlock()
	if _, underWay := p.tasks[f.ID]; !underWay {
		return nil
	}
	return p.Send(&handoff.Frame{Kind: handoff.Ack, ID: f.ID})
}

// CloseRead makes Next return the end of the channel.
func (p *Parent) CloseRead() error { return p.channel.CloseRead() }

// Finish sends the outcome of a task. Where the server has gone there is nobody to read it.
func (p *Parent) Finish(outcome *handoff.Frame) {
	p.mu.Lock()
	delete(p.tasks, outcome.ID)
	p.mu.Unlock()
	if err := p.Send(outcome); err != nil { // it does not fit into a frame
		_ = p.Send(&handoff.Frame{
			Kind: handoff.Outcome, ID: outcome.ID, Flags: outcome.Flags & handoff.Stop, Status: handoff.Failed, Text: "send outcome: " + err.Error(),
		})
	}
}

// JournalDescriptor is what a process has its journal as, if it has one.
const JournalDescriptor = 4

// OpenJournal opens the journal that descriptor stands for; 0: there is none.
func (p *Parent) OpenJournal(descriptor int) (err error) {
	if descriptor != 0 {
		p.journal, err = journal.Open(os.NewFile(uintptr(descriptor), "journal"))
	}
	return err
}

// Report has the server read an event some time. It waits only where the server is behind.
func (p *Parent) Report(event *handoff.Frame) error {
	if p.journal == nil {
		return p.Send(event)
	}
	var space [256]byte
	record := event.Append(space[:0])
	for {
		wake, ok := p.journal.Append(record)
		if ok && !wake {
			return nil
		}
		// Also where there is no room. Sent itself an event would overtake those before it, or be
		// overtaken by the next one.
		if err := p.Send(&handoff.Frame{Kind: handoff.Wake}); err != nil || ok {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// Send sends a frame.
func (p *Parent) Send(f *handoff.Frame) error { return p.channel.Send(f, nil) }

// Exit ends this process after its last task: the way back through the loop and Shutdown
// would cost a child that serves one request a tenth of its life.
func Exit(closing func() error) {
	status := 0
	if closing != nil && closing() != nil {
		status = 1
	}
	os.Exit(status)
}
