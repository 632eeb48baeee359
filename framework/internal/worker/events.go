package worker

import (
	"os"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/journal"
)

// eventInterval is the time between two looks at the journal of a process that is busy. One that
// is idle wakes the server for its next event.
const eventInterval = 20 * time.Millisecond

// events are read from the journal of a process, in order, until close. A nil one has none.
type events struct {
	process *Process

	mu      sync.Mutex
	journal *journal.Reader
	again   *time.Timer // nil: the reader sleeps
	closed  bool
}

// newJournal makes the journal of a process; nil: it has none. The file is the process's.
func (g *group) newJournal() (*events, *os.File, error) {
	if !g.Journal {
		return nil, nil, nil
	}
	reader, file, err := journal.New()
	if err != nil {
		return nil, nil, err
	}
	return &events{journal: reader}, file, nil
}

// start sets the process whose tasks the events are of.
func (e *events) start(p *Process) {
	if e != nil {
		e.process = p
	}
}

// read reads what there is, and looks again later if there was anything.
func (e *events) read() error {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	n, err := e.journal.Read(e.take)
	switch {
	case err != nil:
	case n > 0 && e.again == nil:
		e.again = time.AfterFunc(eventInterval, e.look)
	}
	return err
}

// look reads again until there is nothing, and then sleeps.
func (e *events) look() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	n, err := e.journal.Read(e.take)
	switch {
	case err != nil:
		e.process.kill()
	case n > 0 || !e.journal.Sleep():
		e.again.Reset(eventInterval)
	default:
		e.again = nil
	}
}

// take passes an event to its task.
func (e *events) take(record []byte) error {
	f, err := handoff.Parse(record)
	if err != nil || f.Kind != handoff.Event {
		return journal.ErrCorrupt
	}
	e.process.mu.Lock()
	t := e.process.pending[f.ID]
	e.process.mu.Unlock()
	if t != nil {
		t.event(e.process, &f)
	}
	return nil
}

// close reads what the process has left, and releases the memory.
func (e *events) close() error {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	if e.again != nil {
		e.again.Stop()
	}
	if e.process != nil {
		_, _ = e.journal.Read(e.take) // what is corrupt ends here
	}
	return e.journal.Close()
}
