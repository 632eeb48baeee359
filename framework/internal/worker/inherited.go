package worker

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
)

// A Wrapper is the framework's Layer.
type Wrapper interface {
	Wrap(ctx context.Context, c net.Conn) (net.Conn, error)
}

// Inherited are a process's layers, as its server describes them. Its methods are called in one goroutine.
type Inherited struct {
	// Restore makes the one of that number of its description.
	Restore func(id uint64, description []byte) (Wrapper, error)

	all map[uint64]*inherited
}

// inherited is a layer that the server replaces when it has changed.
type inherited struct{ current atomic.Pointer[Wrapper] }

// Wrap implements [Wrapper]. No connection passes the layer before the server has described it.
func (l *inherited) Wrap(ctx context.Context, c net.Conn) (net.Conn, error) {
	current := l.current.Load()
	if current == nil {
		return nil, errors.New("the layer cannot be had")
	}
	return (*current).Wrap(ctx, c)
}

// Describe has connections to come pass the layer of a description; an empty one: there are none to come. After an error
// the process is of no use: it has no layer, or one that is out of date.
func (i *Inherited) Describe(id uint64, description []byte) error {
	if len(description) == 0 {
		delete(i.all, id)
		return nil
	}
	restored, err := i.Restore(id, description)
	if err != nil {
		return err
	}
	i.Layer(id).(*inherited).current.Store(&restored)
	return nil
}

// Layer returns the layer of that number.
func (i *Inherited) Layer(id uint64) Wrapper {
	if i.all == nil {
		i.all = map[uint64]*inherited{}
	}
	if i.all[id] == nil {
		i.all[id] = &inherited{}
	}
	return i.all[id]
}
