package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
)

// block is a server block: several listeners that share one strategy, one handler class
// and one set of limits.
type block struct {
	config   *config.Server
	log      hclog.Logger
	strategy framework.Strategy
	limits   *framework.Limits
	servers  []*framework.BaseServer // those that listen

	closeClass func() error // may be nil
}

// newBlock takes over the class of s: listeners come and go while a free port is looked
// for, and the last one of them would close it, and the next one open it again.
func newBlock(s *config.Server, o Options) *block {
	log := o.Log.With("server", s.Name)
	closeClass, openClass := s.Class.Close, s.Class.Open
	s.Class.Close = nil
	if openClass != nil {
		opened := sync.OnceValue(func() error { return openClass(s.Name, log) })
		s.Class.Open = func(string, hclog.Logger) error { return opened() }
	}
	return &block{
		closeClass: closeClass,
		config:     s, log: log, strategy: newStrategy(s.Concurrency, o.Worker),
		limits: &framework.Limits{
			Connections: s.Limits.Connections, PerSource: s.Limits.PerSource,
			Refuse: s.Limits.Refuse, Banner: s.Limits.Banner,
		},
	}
}

func newStrategy(c config.Concurrency, worker *framework.Program) framework.Strategy {
	switch c.Kind {
	case "synchronous":
		return &framework.Synchronous{}
	case "threading":
		return &framework.Threading{MaxThreads: c.MaxThreads}
	case "forking":
		return &framework.Forking{
			Command: worker, MaxChildren: c.MaxChildren, Spares: c.Spares, MaxRequests: c.MaxRequests,
		}
	case "preforking":
		return &framework.Preforking{Command: worker, Workers: c.Workers}
	}
	panic("configuration with concurrency " + c.Kind) // config knows no other one
}

// listen opens every listener of the block.
func (b *block) listen(ctx context.Context) error {
	var errs []error
	for _, t := range b.config.Transports {
		var err error
		switch t.Network {
		case "tcp", "udp":
			err = b.listenAll(ctx, t)
		default:
			err = b.open(t, t.Address)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("server %q: %w", b.config.Name, err))
		}
	}
	return errors.Join(errs...)
}

// listenAll listens on every address that the transport's address means. Those of a
// family that this machine does not have are left out, unless there is no other.
func (b *block) listenAll(ctx context.Context, t config.Transport) error {
	addresses, err := resolve(ctx, t.Network, t.Address)
	if err != nil {
		return err
	}
	if addresses[0].Port() == 0 {
		return b.listenSamePort(t, addresses)
	}
	return b.listenEach(t, addresses)
}

func (b *block) listenEach(t config.Transport, addresses []netip.AddrPort) error {
	var missing error
	var opened int
	for _, a := range addresses {
		err := b.open(t, a.String())
		switch {
		case err == nil:
			opened++
		case familyMissing(err) && len(addresses) > 1:
			missing = errors.Join(missing, err)
		default:
			return err
		}
	}
	if opened == 0 {
		return missing
	}
	if missing != nil {
		b.warnMissing(missing)
	}
	return nil
}

// listenSamePort finds one port that is free on all addresses: the system chooses it for
// the first one.
func (b *block) listenSamePort(t config.Transport, addresses []netip.AddrPort) error {
	const attempts = 20
	var err error
	for range attempts {
		before := len(b.servers)
		if err = b.open(t, addresses[0].String()); err != nil {
			if familyMissing(err) && len(addresses) > 1 {
				b.warnMissing(err)
				return b.listenSamePort(t, addresses[1:])
			}
			return err
		}
		port, _ := portOf(b.servers[before].Addr().String())
		rest := make([]netip.AddrPort, 0, len(addresses))
		for _, a := range addresses[1:] {
			rest = append(rest, netip.AddrPortFrom(a.Addr(), uint16(port)))
		}
		if len(rest) == 0 {
			return nil
		}
		switch err = b.listenEach(t, rest); {
		case err == nil:
			return nil
		case familyMissing(err):
			b.warnMissing(err)
			return nil
		}
		b.closeFrom(before)
	}
	return fmt.Errorf("no port is free on all addresses of %s: %w", t.Address, err)
}

func (b *block) warnMissing(err error) {
	b.log.Warn("not listening on an address that this machine does not have", "error", err)
}

// open makes one listener of a transport.
func (b *block) open(t config.Transport, address string) error {
	s := newServer(t, address, b.config.Class)
	s.Name, s.Log = b.config.Name, b.log
	s.Strategy, s.Limits, s.Timeouts = b.strategy, b.limits, b.config.Timeouts
	s.ReadBuffer, s.WriteBuffer = t.ReadBuffer, writeBuffer(t.WriteBuffer)
	s.OnStop = b.stop
	if err := s.Listen(); err != nil {
		return &openError{listenError(t.Network, address, err), err}
	}
	b.servers = append(b.servers, s)
	return nil
}

// openError shows what to do and keeps the cause.
type openError struct{ shown, cause error }

func (e *openError) Error() string { return e.shown.Error() }
func (e *openError) Unwrap() error { return e.cause }

// writeBuffer translates "not set" and "none" of the configuration to the framework's.
func writeBuffer(size int) int {
	switch {
	case size < 0:
		return 0
	case size == 0:
		return -1
	}
	return size
}

func newServer(t config.Transport, address string, class *framework.HandlerClass) *framework.BaseServer {
	switch t.Network {
	case "tcp":
		s := framework.NewTCPServer(address, class)
		s.RequestQueueSize, s.ReusePort, s.Nagle = t.RequestQueueSize, t.ReusePort, !t.NoDelay
		s.KeepAlive, s.IPv6Only = t.KeepAlive, isIPv6(address)
		if t.KeepAlive == 0 {
			s.KeepAlive = -1
		}
		return &s.BaseServer
	case "udp":
		s := framework.NewUDPServer(address, class)
		s.MaxPacketSize, s.ReusePort, s.IPv6Only = t.MaxPacketSize, t.ReusePort, isIPv6(address)
		return &s.BaseServer
	case "unix":
		s := framework.NewUnixStreamServer(address, class)
		s.RequestQueueSize, s.Mode = t.RequestQueueSize, t.Mode
		return &s.BaseServer
	default:
		s := framework.NewUnixDatagramServer(address, class)
		s.MaxPacketSize, s.Mode = t.MaxPacketSize, t.Mode
		return &s.BaseServer
	}
}

func isIPv6(address string) bool {
	a, err := netip.ParseAddrPort(address)
	return err == nil && a.Addr().Is6()
}

// announce says where the block listens.
func (b *block) announce() {
	for _, s := range b.servers {
		b.log.Info("listening", "network", s.Transport.Network(), "address", s.Addr().String())
	}
}

// run serves until ctx is done or the block has been stopped by one of its requests, and
// then ends the block, also what it holds: the others may go on for long.
func (b *block) run(ctx context.Context) {
	for _, s := range b.servers {
		go b.serve(s)
	}
	select {
	case <-ctx.Done():
	case <-b.servers[0].Done(): // stop stops all of them
	}
	b.shutdown()
}

// serve serves on one listener. It may outlast the block: under synchronous its loop is in
// a handler, and one that never returns can not be ended.
func (b *block) serve(s *framework.BaseServer) {
	if err := s.ServeForever(); !errors.Is(err, framework.ErrServerClosed) {
		b.log.Error("the listener has ended", "address", s.Addr().String(), "error", err)
		b.stop()
	}
}

// stop ends the block without waiting. Handlers may call it.
func (b *block) stop() {
	for _, s := range b.servers {
		s.Stop()
	}
}

// tellWaiting says what a stop waits for. Workers of preforking do so by themselves.
func (b *block) tellWaiting() {
	requests := 0
	for _, s := range b.servers {
		requests += s.Active()
	}
	if requests == 0 {
		return
	}
	atMost := "as long as they take"
	if drain := b.config.Timeouts.Drain; drain > 0 {
		atMost = drain.String()
	}
	b.log.Info("waiting for requests", "requests", requests, "at_most", atMost)
}

// shutdown ends the block, within its drain timeout.
func (b *block) shutdown() {
	ctx, cancel := context.WithCancel(context.Background())
	if drain := b.config.Timeouts.Drain; drain > 0 {
		ctx, cancel = context.WithTimeout(context.Background(), drain)
	}
	defer cancel()
	b.tellWaiting()
	var servers sync.WaitGroup
	b.shutdownAll(ctx, &servers)
	servers.Wait()
	b.releaseClass()
	b.log.Info("stopped")
}

// shutdownAll begins to shut down every listener, and cuts off what runs when ctx is done.
func (b *block) shutdownAll(ctx context.Context, servers *sync.WaitGroup) {
	for _, s := range b.servers {
		servers.Go(func() {
			if err := s.Shutdown(ctx); err != nil {
				b.log.Warn("requests were cut off", "error", err)
			}
		})
	}
}

// close undoes listen.
func (b *block) close() {
	b.closeFrom(0)
	b.releaseClass()
}

func (b *block) releaseClass() {
	if b.closeClass == nil {
		return
	}
	if err := b.closeClass(); err != nil {
		b.log.Error("could not close the handler", "error", err)
	}
}

func (b *block) closeFrom(first int) {
	for _, s := range b.servers[first:] {
		_ = s.Close()
	}
	b.servers = b.servers[:first]
}
