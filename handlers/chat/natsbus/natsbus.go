// Package natsbus carries the rooms of package chat between servers over NATS. A program whose
// chat handlers may have a bus sets chat.Buses to a [Driver] at the start of main.
//
// Under one name on a NATS server, its tree, lie these subjects; ID is a server's:
//
//	socketserver.chat.TREE.all    what is for all servers
//	socketserver.chat.TREE.to.ID  what is for one
//
// Delivery is at most once: what is sent while NATS is away is lost, and never late.
package natsbus

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"

	"github.com/go-socketserver/socketserver/handlers/chat"
)

const (
	defaultTree = "default"
	maxOut      = 4096 // frames that wait to be sent
	maxIn       = 8192 // frames that wait to be received

	connectTimeout = 2 * time.Second
	reconnectWait  = 250 * time.Millisecond // and as much again at random
	flushTimeout   = time.Second
	// A link that is silent is taken for lost after two of these.
	pingEvery = 2 * time.Second
)

// Driver opens buses whose addresses are nats://[USER:PASSWORD@]HOST[:PORT][/TREE], or tls://.
type Driver struct{}

var _ chat.BusDriver = Driver{}

// Check implements [chat.BusDriver].
func (Driver) Check(address string) error {
	_, _, err := parse(address)
	return err
}

const example = "; write it as in nats://localhost:4222 or tls://nats.example.com/lounge"

// parse takes the tree off an address. Its errors do not repeat what may be a password.
func parse(address string) (server *url.URL, tree string, err error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, "", errors.New("is no URL" + example)
	case u.Scheme != "nats" && u.Scheme != "tls":
		return nil, "", errors.New("is no URL of NATS, which begins with nats:// or tls://" + example)
	case u.Hostname() == "":
		return nil, "", errors.New("has no host" + example)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, "", errors.New("has something after its path" + example)
	}
	tree = strings.TrimPrefix(u.Path, "/")
	if tree == "" {
		tree = defaultTree
	}
	isOther := func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	if len(tree) > 64 || strings.ContainsFunc(tree, isOther) {
		return nil, "", errors.New("has a path that is no name; a name has at most 64 letters, digits, - and _" + example)
	}
	return &url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host}, tree, nil
}

// Open implements [chat.BusDriver]. It waits until the first attempt to connect is over, for at
// most two seconds for each address of the host.
func (Driver) Open(address string, end chat.Station) (chat.Bus, bool, error) {
	server, tree, err := parse(address)
	if err != nil {
		return nil, false, fmt.Errorf("the address %w", err)
	}
	b := &bus{
		end: end, log: end.Log.With("bus", server.Host), prefix: "socketserver.chat." + tree + ".",
		out: make(chan outgoing, maxOut), in: make(chan *nats.Msg, maxIn), closed: make(chan struct{}),
	}
	if err := b.connect(server.String()); err != nil {
		return nil, false, fmt.Errorf("connect to %s: %w", server.Host, err)
	}
	linked := b.conn.IsConnected()
	if !linked {
		b.log.Warn("the bus can not be reached; rooms are not linked to other servers until it can", "error", b.conn.LastError())
	}
	b.working.Go(b.send)
	b.working.Go(b.receive)
	return b, linked, nil
}

// A bus is a connection to NATS.
type bus struct {
	end    chat.Station
	log    hclog.Logger
	prefix string
	conn   *nats.Conn
	out    chan outgoing
	in     chan *nats.Msg

	closed  chan struct{}
	working sync.WaitGroup

	mu   sync.Mutex
	told string // the last error that was logged since the link was there
	lost int    // frames that were not sent, as too many waited
}

type outgoing struct {
	subject string
	frame   []byte
}

// connect makes a connection that is looked for again whenever it is lost, and subscribes. Nothing
// is kept meanwhile: what is late would be a duplicate of what has been told since.
func (b *bus) connect(server string) (err error) {
	b.conn, err = nats.Connect(server,
		nats.Name("socketserver chat "+b.end.ID), nats.NoEcho(),
		nats.Timeout(connectTimeout), nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(), nats.ReconnectBufSize(-1),
		nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(reconnectWait, reconnectWait),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(2), nats.FlusherTimeout(pingEvery),
		nats.ConnectHandler(func(*nats.Conn) { b.linked() }),
		nats.ReconnectHandler(func(*nats.Conn) { b.linked() }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { b.unlinked(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { b.failed(err) }),
	)
	if err != nil {
		return err
	}
	for _, subject := range []string{b.prefix + "all", b.prefix + "to." + b.end.ID} {
		if _, err := b.conn.ChanSubscribe(subject, b.in); err != nil {
			b.conn.Close()
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	if b.conn.IsConnected() {
		_ = b.conn.FlushTimeout(connectTimeout) // or what others send just now would not come here
	}
	return nil
}

func (b *bus) linked() {
	b.mu.Lock()
	b.told = ""
	b.mu.Unlock()
	b.log.Info("rooms are linked to other servers")
	b.end.Linked(true)
}

func (b *bus) unlinked(err error) {
	select {
	case <-b.closed:
		return
	default:
	}
	if err == nil {
		err = errors.New("the connection was closed")
	}
	b.log.Warn("the bus is lost; rooms are not linked to other servers until it is back", "error", err)
	b.end.Linked(false)
}

// failed logs an error that NATS tells, once until something else happens.
func (b *bus) failed(err error) {
	b.mu.Lock()
	again := b.told == err.Error()
	b.told = err.Error()
	b.mu.Unlock()
	switch {
	case again:
	case errors.Is(err, nats.ErrSlowConsumer):
		b.log.Error("messages of other servers are lost: they come faster than this one takes them", "error", err)
	default:
		b.log.Error("the bus reports an error", "error", err)
	}
}

// Send implements [chat.Bus].
func (b *bus) Send(to string, frame []byte) {
	subject := b.prefix + "all"
	if to != "" {
		subject = b.prefix + "to." + to
	}
	select {
	case b.out <- outgoing{subject, frame}:
	default:
		b.mu.Lock()
		if b.lost++; b.lost == 1 {
			b.log.Error("messages for other servers are lost: the bus does not take them fast enough")
		}
		b.mu.Unlock()
	}
}

// send sends what Send was given. NATS may make it wait, which nobody else does.
func (b *bus) send() {
	for {
		select {
		case m := <-b.out:
			b.publish(m)
			continue
		default:
		}
		b.mu.Lock()
		b.lost = 0
		b.mu.Unlock()
		select {
		case m := <-b.out:
			b.publish(m)
		case <-b.closed:
			for len(b.out) > 0 {
				b.publish(<-b.out)
			}
			return
		}
	}
}

func (b *bus) publish(m outgoing) {
	if b.conn.IsConnected() { // before the first connection it would be kept
		_ = b.conn.Publish(m.subject, m.frame) // what is lost is lost
	}
}

func (b *bus) receive() {
	for {
		select {
		case m := <-b.in:
			b.end.Receive(m.Data)
		case <-b.closed:
			return
		}
	}
}

// Close implements [chat.Bus].
func (b *bus) Close() error {
	close(b.closed)
	b.working.Wait()
	if b.conn.IsConnected() {
		if err := b.conn.FlushTimeout(flushTimeout); err != nil {
			b.log.Warn("the bus did not take the last messages", "error", err)
		}
	}
	b.conn.Close()
	return nil
}
