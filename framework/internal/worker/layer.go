package worker

import (
	"sync"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// A Layer is what connections pass in the processes that have tasks with it.
type Layer struct {
	// ID stands for it in frames; it is not 0.
	ID uint64
	// Describe returns what a process makes it of, and a channel that is closed when that has changed.
	Describe func() (description []byte, changed <-chan struct{})
}

// layers are those that a process has.
type layers struct {
	sending sync.Mutex                 // held while one is described to the process
	known   map[uint64]<-chan struct{} // closed when what the process has of it is out of date
}

// part is the number of bytes of a description that one frame has.
const part = handoff.MaxFrame / 2

// describe makes sure that the process has l as it is now, before what is sent after this. It returns
// a channel that is closed when l has changed.
func (p *Process) describe(l *Layer) (changed <-chan struct{}, err error) {
	p.layers.sending.Lock()
	defer p.layers.sending.Unlock()
	description, changed := l.Describe()
	if p.layers.known[l.ID] == changed {
		return changed, nil
	}
	for more := true; more; {
		f := &handoff.Frame{Kind: handoff.Layer, ID: l.ID, Body: description[:min(len(description), part)]}
		description = description[len(f.Body):]
		if more = len(description) > 0; more {
			f.Flags = handoff.More
		}
		if err := p.channel.Send(f, nil); err != nil {
			return nil, err
		}
	}
	if p.layers.known == nil {
		p.layers.known = map[uint64]<-chan struct{}{}
	}
	p.layers.known[l.ID] = changed
	return changed, nil
}

// layerChanged describes the layer of a socket to the process and returns a channel that is closed when it has
// changed; nil: t is not that of a socket, whose next task finds out, or the process ends.
func (p *Process) layerChanged(t *Task) <-chan struct{} {
	if t.Layer == nil || t.Frame.Kind != handoff.Listen {
		return nil
	}
	changed, err := p.describe(t.Layer)
	if err != nil {
		return nil
	}
	return changed
}
