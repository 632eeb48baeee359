package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/layer"
)

// Check returns the error that the first Apply of c would return on this machine, without opening
// an address. An address in use is no error: the servers of c may be running. Programs of
// workers are started to see whether they are; a class that is nil is not checked. The caller
// keeps the classes.
func Check(ctx context.Context, c *config.Config, o Options) error {
	var errs []error
	add := func(s *config.Server, at config.Place, err error) {
		if err != nil {
			errs = append(errs, at.Wrap(fmt.Errorf("server %q: %w", s.Name, err)))
		}
	}
	for _, s := range c.Servers {
		for _, t := range s.Transports {
			add(s, t.At, CheckTransport(ctx, t))
			add(s, config.Place{}, checkTLS(t, o.Log.With("server", s.Name)))
			warnAboutMultipath(t, o.Log.With("server", s.Name))
		}
	}
	for _, s := range c.Servers {
		if s.Class != nil && len(errs) == 0 {
			add(s, config.Place{}, checkClass(s, o))
		}
	}
	return errors.Join(errs...)
}

// CheckTransport is Check for a transport alone.
func CheckTransport(ctx context.Context, t config.Transport) error {
	if isNamed(t.Address) { // systemd passes it to the server alone
		return nil
	}
	if !config.HasIP(t.Network) {
		return listenError(t.Network, t.Address, framework.CheckSocket(t.Network, t.Address, t.SocketOptions))
	}
	addresses, err := resolve(ctx, t.Address)
	if err != nil {
		return err
	}
	_, err = onAll(t, addresses, func(a, _ netip.AddrPort, o framework.SocketOptions) (uint16, error) {
		return a.Port(), framework.CheckSocket(t.Network, a.String(), o)
	})
	return err
}

// checkTLS logs what does not keep the files of TLS from being used.
func checkTLS(t config.Transport, log hclog.Logger) error {
	if t.TLS == nil {
		return nil
	}
	secure, err := layer.NewTLS(*t.TLS)
	if err == nil {
		warnAboutTLS(log, secure)
	}
	return err
}

// checkClass has the strategy start one process at most.
func checkClass(s *config.Server, o Options) error {
	one := *s
	one.Concurrency.Spares, one.Concurrency.Workers = 0, min(s.Concurrency.Workers, 1)
	strategy := one.Strategy(o.Means)
	server := &framework.BaseServer{
		Name: s.Name, Log: o.Log.With("server", s.Name), Strategy: strategy, Transport: nowhere{},
		Class: s.Class, Limits: s.NewLimits(), Timeouts: s.Timeouts, MaxLine: s.Limits.MaxLine(),
	}
	if err := server.Listen(); !errors.Is(err, errNowhere) {
		return err
	}
	if s.Class.Check == nil || strategy.Place() == framework.InWorkers {
		return nil
	}
	if err := s.Class.Check(); err != nil {
		return fmt.Errorf("open handler class: %w", err)
	}
	return nil
}

// nowhere is a transport that does not open: Listen returns its error after all that precedes.
type nowhere struct{ framework.Transport }

var errNowhere = errors.New("nowhere to listen")

func (nowhere) Network() string { return "" }
func (nowhere) Open() error     { return errNowhere }
