package distributed

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

const (
	askEvery = time.Second
	askOften = 50 * time.Millisecond  // where a client waits
	maxMiss  = 3                      // due questions that a worker may leave unanswered
	awayTime = 500 * time.Millisecond // for which a worker that could not be dialed is left alone
	patience = time.Second            // for a worker to become known, or to be reached again
)

// A Front knows the workers of a cluster. It asks them while a server uses it and NATS can be reached; those that it knows
// when NATS is lost stay.
type Front struct {
	identity *identity
	log      hclog.Logger
	nudge    chan struct{} // asks now

	mu      sync.Mutex
	users   map[string]int     // of the front, by the name of their server
	asked   int                // questions that were due
	bus     bus                // from Run on
	workers map[string]*remote // by fingerprint
	changed chan struct{}      // closed when a slot may have become free

	// Whoever can publish in the account may announce as many workers as it likes.
	news, losses, others, troubles ratelog.Limiter // that come, go, are of another build and cannot be reached
}

// What is kept of the answers that come.
const (
	maxWorkers = 1024
	maxOffers  = 256 << 10 // bytes of the answer of one
	maxBuild   = 256
	loggedNews = 10 // a second
)

// A remote is a worker as a front knows it.
type remote struct {
	fingerprint, address string
	config               *tls.Config
	gone                 chan struct{} // closed when it is forgotten

	// What follows is guarded by the front's mu.
	servers  map[string]*offer // whose Free counts what this front has begun since
	answered int               // the last question that was due
	away     time.Time         // it is not dialed before
	logged   map[string]bool   // servers of which it is of another build
}

// NewFront returns a front that knows no worker.
func NewFront(log hclog.Logger) (*Front, error) {
	id, err := newIdentity()
	if err != nil {
		return nil, err
	}
	return &Front{identity: id, log: log, nudge: make(chan struct{}, 1), users: map[string]int{}, workers: map[string]*remote{}, changed: make(chan struct{})}, nil
}

// Run asks the workers of a cluster until ctx is done. prefix is that of the subjects.
func (f *Front) Run(ctx context.Context, conn *nats.Conn, prefix string) error {
	f.mu.Lock()
	f.bus = bus{conn, prefix}
	f.mu.Unlock()
	inbox := conn.NewRespInbox()
	answers, err := conn.Subscribe(inbox, func(m *nats.Msg) { f.learn(m.Data) })
	if err != nil {
		return fmt.Errorf("subscribe to the answers of workers: %w", err)
	}
	defer func() { _ = answers.Unsubscribe() }()
	text, err := json.Marshal(question{f.identity.fingerprint})
	if err != nil {
		return err
	}
	every := time.NewTicker(askEvery)
	defer every.Stop()
	for due := true; ; {
		if f.mayAsk(conn, due) {
			_ = conn.PublishRequest(prefix+offersEndpoint, inbox, text) // an error is that NATS is away
		}
		due = false
		select {
		case <-f.nudge:
			select {
			case <-time.After(askOften):
			case <-ctx.Done():
			}
		case <-every.C:
			due = true
		case <-ctx.Done():
			return nil
		}
	}
}

// mayAsk reports whether there is anybody to ask for. Where a question is due it forgets the workers that have left too
// many unanswered; others are too close to each other for a slow worker.
func (f *Front) mayAsk(conn *nats.Conn, due bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.users) == 0 || !conn.IsConnected() {
		return false
	}
	if !due {
		return true
	}
	f.asked++
	for fingerprint, w := range f.workers {
		if f.asked-w.answered > maxMiss {
			if more, ok := f.losses.Allow(loggedNews); ok {
				f.log.Info("worker is gone", ratelog.More(more, "worker", w.address)...)
			}
			delete(f.workers, fingerprint)
			close(w.gone)
			f.change() // who waits for a slot of it
		}
	}
	return true
}

// learn keeps what a worker has answered about the servers of this front. Where there are too many workers those that are
// known stay.
func (f *Front) learn(answer []byte) {
	var o offers
	if len(answer) > maxOffers || json.Unmarshal(answer, &o) != nil || !o.plausible() {
		return // as where NATS says that nobody answers
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.workers[o.Worker]
	if w == nil && len(f.workers) >= maxWorkers {
		if more, ok := f.news.Allow(loggedNews); ok {
			f.log.Warn("worker is not used, as there are too many", ratelog.More(more, "worker", o.Address, "most", maxWorkers)...)
		}
		return
	}
	if w == nil || w.address != o.Address {
		gone := make(chan struct{})
		if w != nil { // the process has moved with the requests that it has
			gone = w.gone
		}
		w = &remote{fingerprint: o.Worker, address: o.Address, config: f.identity.config(func(shown string) bool { return shown == o.Worker }), gone: gone, logged: map[string]bool{}}
		f.workers[o.Worker] = w
		if more, ok := f.news.Allow(loggedNews); ok {
			f.log.Info("worker is known", ratelog.More(more, "worker", o.Address)...)
		}
	}
	w.answered, w.servers = f.asked, map[string]*offer{}
	for _, one := range o.Servers {
		if f.users[one.Server] > 0 && len(one.Build) <= maxBuild {
			w.servers[one.Server] = &one
		}
	}
	f.change()
}

// change wakes those that wait for a slot. f.mu is held.
func (f *Front) change() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// use has the front ask, for one more server of that name or one less.
func (f *Front) use(server string, n int) {
	f.mu.Lock()
	if f.users[server] += n; f.users[server] == 0 {
		delete(f.users, server)
	}
	f.mu.Unlock()
	f.ask()
}

// ask has the workers asked soon.
func (f *Front) ask() {
	select {
	case f.nudge <- struct{}{}:
	default:
	}
}

// pick returns the worker with the most free slots for a server. Without one changed is closed when it is worth
// another look; full reports whether there are workers that can be reached, and away whether there are others.
func (f *Front) pick(server, build string) (best *remote, full, away bool, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	most, now := 0, time.Now()
	for _, w := range f.workers {
		o := w.servers[server]
		switch {
		case o == nil:
			continue
		case o.Build != build:
			if !w.logged[server] {
				w.logged[server] = true
				if more, ok := f.others.Allow(loggedNews); ok {
					f.log.Warn("worker is of another build or configuration, and is not used", ratelog.More(more, "server", server, "worker", w.address, "next", "give both the same version and the same servers.hcl")...)
				}
			}
			continue
		case now.Before(w.away):
			away = true
			continue
		}
		if full = true; o.Free > most {
			best, most = w, o.Free
		}
	}
	if best != nil {
		best.servers[server].Free--
	}
	return best, full, away, f.changed
}

// stop asks a worker to cancel the context of a request, if NATS can be reached. The worker has known the request since
// before it began.
func (f *Front) stop(w *remote, id string) {
	f.mu.Lock()
	by := f.bus
	f.mu.Unlock()
	if by.conn != nil {
		_ = by.conn.PublishMsg(&nats.Msg{Subject: by.subject(w.fingerprint), Header: nats.Header{stopHeader: {id}}})
	}
}

// release gives a slot back.
func (f *Front) release(w *remote, server string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := w.servers[server]; o != nil {
		o.Free++
	}
	f.change()
}

// refused records what has kept a worker from taking a request.
func (f *Front) refused(w *remote, server string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case errors.Is(err, errFull):
		if o := w.servers[server]; o != nil {
			o.Free = 0
		}
	case errors.Is(err, errUnknown):
		delete(w.servers, server)
	default:
		w.away = time.Now().Add(awayTime)
		time.AfterFunc(awayTime, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.change()
		})
		if more, ok := f.troubles.Allow(loggedNews); ok {
			f.log.Warn("worker cannot be reached; others are used", ratelog.More(more, "worker", w.address, "error", reason(err))...)
		}
	}
}

// reason returns an error of a connection without what it has kept from being done, and to whom: the log says that.
func reason(err error) error {
	var errno syscall.Errno
	var network net.Error
	switch {
	case errors.As(err, &errno):
		return errno
	case errors.As(err, &network) && network.Timeout():
		return errors.New("it does not answer")
	}
	return err
}

var (
	errFull    = errors.New("it is full")
	errUnknown = errors.New("it does not serve this server")
)

// A tunnel is the front's end of one.
type tunnel struct{ *secured }

// connect has a worker begin with a client. release is called when the request is over.
func (f *Front) connect(ctx context.Context, h *hello) (t *tunnel, release func(), err error) {
	release, err = f.place(ctx, h, func(w *remote) (taken bool, err error) {
		if t, err = f.dial(ctx, w, h); err != nil {
			return false, err
		}
		if err := ctx.Err(); err != nil {
			abort(t.tcp)
			return false, err
		}
		if _, err := t.Write([]byte{begin}); err != nil { // it may have begun
			abort(t.tcp)
			return true, lost(w.address)
		}
		return true, nil
	})
	return t, release, err
}

// place has workers try to take a request, until one has taken it: nothing of the request was delivered before. Where
// all are full it waits; where none can be reached it waits for a moment. When ctx is done the worker cancels the
// context of the request. release is called when the request is over.
func (f *Front) place(ctx context.Context, h *hello, try func(*remote) (taken bool, err error)) (release func(), err error) {
	var late <-chan time.Time
	for {
		w, full, away, changed := f.pick(h.Server, h.Build)
		if w != nil {
			unwatch := context.AfterFunc(ctx, func() { f.stop(w, h.ID) })
			taken, err := try(w)
			if taken && err == nil {
				return func() { unwatch(); f.release(w, h.Server) }, nil
			}
			unwatch()
			if taken || ctx.Err() != nil {
				f.release(w, h.Server)
				if !taken {
					err = framework.ErrServerClosed
				}
				return nil, err
			}
			f.refused(w, h.Server, err)
			continue
		}
		if full {
			late = nil
		} else if late == nil {
			late = time.After(patience)
			f.ask()
		}
		select {
		case <-changed:
		case <-late:
			if away {
				return nil, &framework.UnavailableError{Err: fmt.Errorf("no worker that serves %q can be reached", h.Server)}
			}
			return nil, &framework.UnavailableError{Err: fmt.Errorf("no worker serves %q; start socketserver worker on a machine of the cluster, with the same version and servers.hcl", h.Server)}
		case <-ctx.Done():
			return nil, framework.ErrServerClosed
		}
	}
}

// dial connects to a worker that is ready to begin.
func (f *Front) dial(ctx context.Context, w *remote, h *hello) (*tunnel, error) {
	dialer := net.Dialer{Timeout: dialTime, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}}
	c, err := dialer.DialContext(ctx, "tcp", w.address)
	if err != nil {
		return nil, err
	}
	tcp := c.(*net.TCPConn)
	noticeLoss(tcp)
	_ = tcp.SetDeadline(time.Now().Add(readyTime))
	t := &tunnel{secure(tcp, w.config, layer.ClientConn)}
	if err := t.start(ctx, h); err != nil {
		abort(tcp)
		return nil, err
	}
	_ = tcp.SetDeadline(time.Time{})
	return t, nil
}

func (t *tunnel) start(ctx context.Context, h *hello) error {
	if err := t.HandshakeContext(ctx); err != nil {
		return err
	}
	if err := h.send(t); err != nil {
		return err
	}
	var answer [1]byte
	if _, err := io.ReadFull(t, answer[:]); err != nil {
		return err
	}
	switch answer[0] {
	case ready:
		return nil
	case full:
		return errFull
	}
	return errUnknown
}
