package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/proxyproto"
)

// bind acquires the sockets of every transport. The error has a line for each that cannot be
// had.
func (i *Instance) bind(ctx context.Context) error {
	if i.serves != nil {
		c := i.config
		i.transports = []config.Transport{{}}
		i.servers = append(i.servers, i.newServer(i.serves.Transport(c.Name, c.Build(), c.Concurrency.MaxRequestsPerWorker), config.Transport{}, nil))
		return nil
	}
	var errs []error
	for n, t := range i.config.Transports {
		layers, err := i.layers(t)
		if err != nil {
			errs = append(errs, fmt.Errorf("server %q: %w", i.name, err))
			continue
		}
		sockets, err := i.sockets.Acquire(ctx, t, fmt.Sprintf("%s/%d", i.name, n), i.log)
		if err != nil {
			errs = append(errs, t.At.Wrap(fmt.Errorf("server %q: %w", i.name, err)))
		}
		i.bound = append(i.bound, sockets...)
		for _, socket := range sockets {
			i.servers = append(i.servers, i.newServer(socket.Transport(), t, layers))
			i.transports = append(i.transports, t)
		}
	}
	i.before = nil // with the keys that are not used any more
	return errors.Join(errs...)
}

func (i *Instance) newServer(from framework.Transport, t config.Transport, layers []framework.Layer) *framework.BaseServer {
	s := &framework.BaseServer{
		Name: i.name, Log: i.log, Transport: from, Layers: layers,
		Strategy: i.strategy, Class: i.class.HandlerClass, Limits: i.limits, Trace: &i.trace, Timeouts: i.config.Timeouts,
		ReadBuffer: t.ReadBuffer, WriteBuffer: t.WriteBuffer, MaxLine: i.config.Limits.MaxLine(), OnStop: i.stop,
	}
	if i.serves != nil {
		s.OnStop = func() {} // the daemon that has the client is asked to stop
	}
	if i.kept != nil {
		s.State = i.kept.State
	}
	if t.ProxyProtocol != nil {
		s.Preamble = proxyproto.Preamble(*t.ProxyProtocol)
	}
	return s
}

// listen opens the servers and starts what their strategy needs.
func (i *Instance) listen() error {
	for _, s := range i.servers { // the addresses are bound: an error is not theirs
		if err := s.Listen(); err != nil {
			return fmt.Errorf("server %q: %w", i.name, err)
		}
	}
	return nil
}

// close undoes bind and listen, in place of run. Workers that accept from a socket of other
// instances have clients already, which are served within the drain timeout.
func (i *Instance) close() {
	ctx, cancel := context.WithTimeout(i.killed, cmp.Or(i.config.Timeouts.Drain, 10*time.Second))
	defer cancel()
	var servers sync.WaitGroup
	for _, s := range i.servers {
		servers.Go(func() {
			_ = s.Retire(ctx)
			_ = s.Close()
		})
	}
	servers.Wait()
	i.release()
	i.class.release(i.log)
}

// release frees the addresses, unless another instance has them.
func (i *Instance) release() {
	i.mu.Lock()
	bound := i.bound
	i.bound = nil
	i.mu.Unlock()
	i.sockets.Release(bound)
}

// announce logs where the instance listens and none did before.
func (i *Instance) announce() {
	for n, l := range i.listeners() {
		if n < len(i.bound) { // requests of a cluster come to no socket of the server's
			if i.bound[n].announced {
				continue
			}
			i.bound[n].announced = true
			warnAboutMultipath(i.transports[n], i.log)
		}
		fields := []any{"network", l.Network, "address", l.Address}
		if l.TLS {
			fields = append(fields, "tls", true)
		}
		if l.Path != "" {
			fields = append(fields, "websocket", l.Path)
		}
		i.log.Info("listening", fields...)
	}
}

func (i *Instance) listeners() []Listener {
	all := make([]Listener, len(i.servers))
	for n, s := range i.servers {
		t := i.transports[n]
		all[n] = Listener{Network: s.Transport.Network(), Address: s.Addr().String(), TLS: t.TLS != nil}
		if t.WebSocket != nil {
			all[n].Path = t.WebSocket.Path
		}
	}
	return all
}
