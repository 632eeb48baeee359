package framework

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/socket"
)

// serveSocket serves a socket that all workers of a server share, as [Preforking] asks: by a
// server of its own beside the one whose transport is the channel. Its outcome is sent when
// it has retired and its requests are over.
func (t *parentTransport) serveSocket(f *handoff.Frame, descriptor *handoff.Descriptor) {
	id := f.ID
	s, err := t.inherit(f, descriptor.File())
	if err == nil {
		err = s.Listen()
	}
	if err != nil {
		t.parent.Finish(&handoff.Frame{Kind: handoff.Outcome, ID: id, Status: handoff.Failed, Text: err.Error()})
		return
	}
	t.mu.Lock()
	t.servers[s] = struct{}{}
	t.mu.Unlock()
	t.parent.Begin(id, func(stop bool) { retireSocket(s, stop) })
	go func() {
		outcome := &handoff.Frame{Kind: handoff.Outcome, ID: id}
		if err := s.ServeForever(); !errors.Is(err, ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			outcome.Status, outcome.Text = handoff.Failed, err.Error()
		}
		_ = s.Retire(context.Background()) // the server ends this process where it takes too long
		t.mu.Lock()
		delete(t.servers, s)
		t.mu.Unlock()
		t.parent.Finish(outcome)
	}()
}

// inherit makes the server of a socket. It owns file.
func (t *parentTransport) inherit(f *handoff.Frame, file *os.File) (*BaseServer, error) {
	var o sharedSocket
	if err := json.Unmarshal(f.Body, &o); err != nil {
		return nil, errors.Join(fmt.Errorf("read description of socket: %w", err), file.Close())
	}
	c := &t.configuration
	id := f.ID
	s := &BaseServer{
		Name: c.Server, Class: t.class, Log: workerLog(c.LogLevel), Strategy: &Threading{},
		Timeouts: c.Timeouts, Limits: c.Limits, ReadBuffer: o.ReadBuffer, WriteBuffer: o.WriteBuffer, MaxLine: c.MaxLine,
		OnStop: func() { _ = t.parent.Send(&handoff.Frame{Kind: handoff.Quit, ID: id}) },
	}
	if f.Flags&handoff.Count != 0 {
		s.Trace = t.trace(id)
	}
	if o.Packets || o.Network == "udp" || o.Network == "unixgram" {
		packets := newPacketTransport(o.Network, &o.SocketOptions, func() (socket.PacketConn, error) { return socket.InheritPackets(file) })
		packets.Peers = o.Local
		s.Transport = packets
		return s, nil
	}
	s.Transport = &streamTransport{network: o.Network, options: &o.SocketOptions, listen: func() (net.Listener, error) {
		return socket.Inherit(file, (*socket.Options)(&o.SocketOptions).TCP())
	}}
	return s, nil
}

// retireSocket has s take no more requests, and with stop end those that it has soon.
func retireSocket(s *BaseServer, stop bool) {
	if stop {
		s.Stop()
	} else {
		s.life.Retire(s.drained)
	}
	if n := s.Active(); n > 0 {
		s.log().Info("worker waits for requests", "requests", n)
	}
}

// shutdown stops all that is served here and waits, until ctx is done.
func (t *parentTransport) shutdown(ctx context.Context) error {
	t.mu.Lock()
	servers := slices.Collect(maps.Keys(t.servers))
	t.mu.Unlock()
	errs := make([]error, len(servers))
	var ending sync.WaitGroup
	for i, s := range servers {
		ending.Go(func() { errs[i] = s.Shutdown(ctx) })
	}
	ending.Wait()
	return errors.Join(errs...)
}

// trace sends what happens to the requests of the socket id to the server.
func (t *parentTransport) trace(id uint64) *Trace {
	var last atomic.Uint64
	send := func(r *Request, f handoff.Frame) {
		f.Kind, f.ID, f.Network = handoff.Event, id, r.Network
		f.Client, f.Local = r.client(), conn.AddressText(r.LocalAddress)
		_ = t.parent.Send(&f)
	}
	return &Trace{
		Started: func(r *Request, _ Place, _ int) {
			r.traced.id = last.Add(1)
			send(r, handoff.Frame{Flags: handoff.Started, Request: r.traced.id})
		},
		Refused: func(r *Request, why Refusal) {
			send(r, handoff.Frame{Flags: handoff.Refused, Text: string(why)})
		},
		Ended: func(r *Request, o Outcome) {
			f := handoff.Frame{Flags: handoff.Ended, Request: r.traced.id, Duration: int64(o.Duration / time.Nanosecond), In: o.In, Out: o.Out}
			setError(&f, o.Err)
			send(r, f)
		},
	}
}
