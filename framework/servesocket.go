package framework

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// serveSocket serves a socket that all workers of a server share, as [Preforking] asks: by a
// server of its own beside the one whose transport is the channel. Its outcome is told when
// it has been stopped and its requests are over.
func (t *parent) serveSocket(f *handoff.Frame, socket *handoff.Descriptor, lost bool) error {
	id := f.ID
	s, err := t.inherit(f, socket, lost)
	if err == nil {
		err = s.Listen()
	}
	if err != nil {
		return t.send(&handoff.Frame{Kind: handoff.Outcome, ID: id, Status: handoff.Failed, Text: err.Error()})
	}
	t.mu.Lock()
	t.sockets[id] = s
	t.mu.Unlock()
	go func() {
		outcome := &handoff.Frame{Kind: handoff.Outcome, ID: id}
		if err := s.ServeForever(); !errors.Is(err, ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			outcome.Status, outcome.Text = handoff.Failed, err.Error()
		}
		_ = s.Shutdown(context.Background()) // the server ends this process where it takes too long
		t.mu.Lock()
		delete(t.sockets, id)
		t.mu.Unlock()
		_ = t.send(outcome) // where the server has gone there is nobody to tell
	}()
	return nil
}

func (t *parent) inherit(f *handoff.Frame, socket *handoff.Descriptor, lost bool) (*BaseServer, error) {
	if err := checkSocket(socket, lost); err != nil {
		return nil, err
	}
	s, err := inherit(f.Body, socket.File())
	if err != nil {
		return nil, err
	}
	c := &t.configuration
	s.Name, s.Class, s.Log = c.Server, t.class, workerLog(c.LogLevel)
	s.Strategy, s.Timeouts, s.Limits = &Threading{}, c.Timeouts, c.Limits
	id := f.ID
	s.OnStop = func() { _ = t.send(&handoff.Frame{Kind: handoff.Quit, ID: id}) }
	return s, nil
}

// stopSocket stops s without waiting, and says what its end waits for.
func stopSocket(s *BaseServer) {
	s.Stop()
	if n := s.Active(); n > 0 {
		s.log().Info("worker waits for requests", "requests", n)
	}
}

// endSockets stops all that is served here and waits, until ctx is done.
func (t *parent) endSockets(ctx context.Context) error {
	t.mu.Lock()
	servers := slices.Collect(maps.Values(t.sockets))
	t.mu.Unlock()
	errs := make([]error, len(servers))
	var ending sync.WaitGroup
	for i, s := range servers {
		ending.Go(func() { errs[i] = s.Shutdown(ctx) })
	}
	ending.Wait()
	return errors.Join(errs...)
}
