package distributed

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// question is what a front asks all workers, again and again.
type question struct {
	Front string `json:"front"` // its fingerprint
}

// offers are what a worker answers.
type offers struct {
	Worker  string  `json:"worker"` // its fingerprint
	Address string  `json:"address"`
	Servers []offer `json:"servers"`
}

// plausible reports whether a worker may have sent it.
func (o *offers) plausible() bool {
	at, err := netip.ParseAddrPort(o.Address)
	return err == nil && at.Port() != 0 && len(o.Address) <= maxAddress && isFingerprint(o.Worker)
}

const maxAddress = 128 // bytes, with a zone

// An offer is what a worker has for one server.
type offer struct {
	Server string `json:"server"`
	Build  string `json:"build"`
	Free   int    `json:"free"` // requests that it can take
}

// offersEndpoint is the endpoint of the micro service that has the offers of a worker.
const offersEndpoint = "workers"

// A Worker serves requests that fronts pass on. It has one listener for all of its servers.
type Worker struct {
	identity *identity
	listener net.Listener
	log      hclog.Logger
	config   *tls.Config
	starting chan struct{} // has an element for each connection that has not begun
	held     sync.Map      // the IDs of requests by the bus whose answer has not been sent

	mu       sync.Mutex
	servers  []*Transport                             // open ones; of those of one name the last takes requests
	fronts   map[string]time.Time                     // when they have asked last
	refusals ratelog.Limiter                          // of fronts
	active   map[string]map[*framework.Request]string // their IDs, by server, of those that have a slot: transports of one name share its slots
}

// NewWorker listens at an address.
func NewWorker(address string, log hclog.Logger) (*Worker, error) {
	id, err := newIdentity()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	w := &Worker{identity: id, listener: l, log: log, starting: make(chan struct{}, maxStarting), fronts: map[string]time.Time{}, active: map[string]map[*framework.Request]string{}}
	w.config = id.config(w.trusts)
	go w.accept()
	return w, nil
}

// Close takes no more requests. Those that have begun go on.
func (w *Worker) Close() { _ = w.listener.Close() }

// Announce has the worker answer the fronts of a cluster, as an endpoint of a micro service, and take what they send by
// the bus. prefix is that of the subjects.
func (w *Worker) Announce(service micro.Service, conn *nats.Conn, prefix string) error {
	by := bus{conn, prefix}
	if _, err := conn.Subscribe(by.subject(w.identity.fingerprint), func(m *nats.Msg) { w.take(by, m) }); err != nil {
		return fmt.Errorf("take requests by the bus: %w", err)
	}
	return service.AddEndpoint(offersEndpoint, micro.HandlerFunc(func(r micro.Request) {
		var q question
		if json.Unmarshal(r.Data(), &q) == nil && isFingerprint(q.Front) && w.trust(q.Front) {
			_ = r.RespondJSON(w.offers(conn))
		}
	}), micro.WithEndpointSubject(prefix+offersEndpoint))
}

// maxFronts bounds the fronts that are trusted. One that asks is not forgotten for others.
const (
	maxFronts = 1024
	silent    = 10 * askEvery // after which a front may be
)

// trust reports whether a front that asks is trusted from now on. Where there are too many the one that has not asked for
// longest is forgotten, if it has left.
func (w *Worker) trust(front string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if _, known := w.fronts[front]; !known && len(w.fronts) >= maxFronts {
		oldest, last := "", now
		for f, asked := range w.fronts {
			if asked.Before(last) {
				oldest, last = f, asked
			}
		}
		if now.Sub(last) < silent {
			if more, ok := w.refusals.Allow(1); ok {
				w.log.Warn("front is not trusted, as there are too many", ratelog.More(more, "most", maxFronts)...)
			}
			return false
		}
		delete(w.fronts, oldest)
	}
	w.fronts[front] = now
	return true
}

func (w *Worker) trusts(fingerprint string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.fronts[fingerprint]
	return ok
}

// offers returns what this worker has now. A listener at all addresses is announced at the one by which NATS knows
// this process.
func (w *Worker) offers(conn *nats.Conn) offers {
	at := w.listener.Addr().(*net.TCPAddr)
	if at.IP.IsUnspecified() {
		if ip, err := conn.GetClientIP(); err == nil {
			at = &net.TCPAddr{IP: ip, Port: at.Port}
		}
	}
	o := offers{Worker: w.identity.fingerprint, Address: at.String()}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.servers {
		if t == w.serving(t.name) {
			o.Servers = append(o.Servers, offer{t.name, t.build, max(t.most-len(w.active[t.name]), 0)})
		}
	}
	return o
}

// serving returns the transport that takes requests of a server; nil: none does. w.mu is held.
func (w *Worker) serving(name string) *Transport {
	for _, t := range slices.Backward(w.servers) {
		if t.name == name {
			return t
		}
	}
	return nil
}

func (w *Worker) accept() {
	for {
		c, err := w.listener.Accept()
		switch {
		case err == nil:
			go w.serve(c.(*net.TCPConn))
		case errors.Is(err, net.ErrClosed):
			return
		default: // as where no descriptor is left
			w.log.Warn("cannot accept a front", "error", err)
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// serve passes a connection on, once it has begun.
func (w *Worker) serve(tcp *net.TCPConn) {
	select {
	case w.starting <- struct{}{}:
	default:
		abort(tcp)
		return
	}
	noticeLoss(tcp)
	_ = tcp.SetDeadline(time.Now().Add(helloTime))
	t, r, err := w.start(secure(tcp, w.config, layer.ServerConn))
	<-w.starting
	if err != nil {
		w.log.Debug("a connection to the worker has not begun", "peer", tcp.RemoteAddr().String(), "error", err)
		abort(tcp)
		return
	}
	_ = tcp.SetDeadline(time.Time{})
	if !t.pass(r) {
		_ = r.Conn().Close()
	}
}

// start reads what a front says until the request begins. The slot of the request is taken then.
func (w *Worker) start(c *secured) (*Transport, *framework.Request, error) {
	ctx, cancel := context.WithTimeout(context.Background(), helloTime)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, nil, fmt.Errorf("handshake: %w", err)
	}
	h, err := receiveHello(c)
	if err != nil {
		return nil, nil, err
	}
	own := &served{secured: c}
	r := own.request(&h)
	t, answer := w.reserve(h, r)
	if _, err := c.Write([]byte{answer}); err != nil {
		return nil, nil, t.cancel(r, err)
	}
	if answer != ready {
		_ = c.CloseWrite()
		return nil, nil, errRefused
	}
	var said [1]byte
	if _, err := io.ReadFull(c, said[:]); err != nil {
		return nil, nil, t.cancel(r, err)
	}
	own.leave = func() { t.leave(r) }
	return t, r, nil
}

var errRefused = errors.New("it was refused")

// stop cancels the context of a request, if it has a slot.
func (w *Worker) stop(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, requests := range w.active {
		for r, its := range requests {
			if its == id {
				r.Cancel()
			}
		}
	}
}

// reserve takes a slot for the request of a client. Without one t is nil.
func (w *Worker) reserve(h hello, r *framework.Request) (t *Transport, answer byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch t := w.serving(h.Server); {
	case t == nil || t.build != h.Build:
		return nil, unknown
	case len(w.active[h.Server]) >= t.most:
		return nil, full
	default:
		if w.active[h.Server] == nil {
			w.active[h.Server] = map[*framework.Request]string{}
		}
		w.active[h.Server][r] = h.ID // a front may try again before a first attempt has given its slot back
		t.starting++
		return t, ready
	}
}

// A Transport gets the requests of one server of a [Worker].
type Transport struct {
	worker      *Worker
	name, build string
	most        int // requests at once
	requests    chan *framework.Request
	closed      chan struct{} // closed when nothing starts any more

	// What follows is guarded by worker.mu.
	starting int  // requests that have a slot and that GetRequest has not returned
	closing  bool // no more requests start
}

// Transport returns the transport of a server, which may have so many requests at once. Where there is another one
// of that name, this one takes its place when it opens.
func (w *Worker) Transport(name, build string, most int) *Transport {
	return &Transport{worker: w, name: name, build: build, most: most, requests: make(chan *framework.Request), closed: make(chan struct{})}
}

// Network implements [framework.Transport]: requests have that of their clients.
func (*Transport) Network() string { return "distributed" }

// Addr implements [framework.Transport].
func (t *Transport) Addr() net.Addr { return t.worker.listener.Addr() }

// SetDeadline does nothing: a server of this transport does not call HandleRequest.
func (*Transport) SetDeadline(time.Time) error { return nil }

// Open implements [framework.Transport].
func (t *Transport) Open() error {
	t.worker.mu.Lock()
	defer t.worker.mu.Unlock()
	t.worker.servers = append(t.worker.servers, t)
	return nil
}

// GetRequest implements [framework.Transport]. What has started when the transport is closed is returned, too.
func (t *Transport) GetRequest() (*framework.Request, error) {
	select {
	case r := <-t.requests:
		return r, nil
	case <-t.closed:
		return nil, net.ErrClosed
	}
}

// pass has GetRequest return r, which has a slot, unless its server was stopped and takes no more.
func (t *Transport) pass(r *framework.Request) (ok bool) {
	defer t.settle(-1)
	select {
	case t.requests <- r:
		return true
	case <-time.After(helloTime):
		return false
	}
}

// Close implements [framework.Transport].
func (t *Transport) Close() error {
	t.worker.mu.Lock()
	t.worker.servers = slices.DeleteFunc(t.worker.servers, func(other *Transport) bool { return other == t })
	t.closing = true
	t.worker.mu.Unlock()
	t.settle(0)
	return nil
}

// settle changes the number of requests that start, the last of which lets GetRequest end.
func (t *Transport) settle(n int) {
	t.worker.mu.Lock()
	defer t.worker.mu.Unlock()
	t.starting += n
	select {
	case <-t.closed:
	default:
		if t.closing && t.starting == 0 {
			close(t.closed)
		}
	}
}

// leave frees the slot of a request, if it has one.
func (t *Transport) leave(r *framework.Request) {
	t.worker.mu.Lock()
	defer t.worker.mu.Unlock()
	delete(t.worker.active[t.name], r)
	if len(t.worker.active[t.name]) == 0 {
		delete(t.worker.active, t.name)
	}
}

// cancel undoes reserve, and returns err. t may be nil.
func (t *Transport) cancel(r *framework.Request, err error) error {
	if t != nil {
		t.leave(r)
		t.settle(-1)
	}
	return err
}
