// Package natsbus carries the rooms of package chat between servers over NATS. A program whose
// chat handlers may have a bus sets chat.Buses to a [Driver] at the start of main.
//
// Every server subscribes to two subjects below a name on the NATS server, its tree:
//
//	socketserver.chat.TREE.all    frames for all servers
//	socketserver.chat.TREE.to.ID  frames for the server ID
//
// An empty message is no frame: a server publishes it to find out whether it may. Delivery is
// at most once: what is sent while NATS is away is lost, and never late.
package natsbus

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"

	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
)

const (
	defaultTree = "default"
	maxOut      = 4096 // frames waiting to be sent
	maxIn       = 8192 // frames waiting to be received

	firstTimeout   = time.Second // of the first attempt, whose error is logged
	connectTimeout = 2 * time.Second
	reconnectWait  = 250 * time.Millisecond // and as much again at random
	flushTimeout   = time.Second
	pingInterval   = 2 * time.Second // a connection is lost after two pings without an answer
)

// Driver opens buses whose addresses are nats://[USER:PASSWORD@]HOST[:PORT][/TREE], or tls://.
type Driver struct{}

var _ cluster.Driver = Driver{}

// Check implements [cluster.Driver].
func (Driver) Check(address string) error {
	_, _, err := parse(address)
	return err
}

const example = "; write it as in nats://localhost:4222 or tls://nats.example.com/lounge"

// parse splits an address into its server and tree. Its errors do not repeat the address.
func parse(address string) (server *url.URL, tree string, err error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, "", errors.New("is not a URL" + example)
	case u.Scheme != "nats" && u.Scheme != "tls":
		return nil, "", errors.New("is not a URL of NATS, which begins with nats:// or tls://" + example)
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
		return nil, "", errors.New("has a path that is not a name; a name has at most 64 letters, digits, - and _" + example)
	}
	return &url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host}, tree, nil
}

// Open implements [cluster.Driver]. It takes at most three seconds for each address of the host.
func (Driver) Open(address string, station cluster.Station) (cluster.Bus, bool, error) {
	server, tree, err := parse(address)
	if err != nil {
		return nil, false, fmt.Errorf("the address %w", err)
	}
	prefix := "socketserver.chat." + tree + "."
	b := &bus{
		station: station, log: station.Log.With("bus", server.Host),
		tree: prefix + ">", all: prefix + "all", to: prefix + "to.",
		out: make(chan outgoing, maxOut), in: make(chan *nats.Msg, maxIn), closed: make(chan struct{}),
		opened: make(chan struct{}), logged: map[string]bool{},
	}
	defer close(b.opened)
	b.maxFrame.Store(math.MaxInt64)
	if err := b.connect(server.String()); err != nil {
		return nil, false, fmt.Errorf("connect to %s: %w", server.Host, err)
	}
	for _, subject := range []string{b.all, b.to + station.ID} {
		if _, err := b.conn.ChanSubscribe(subject, b.in); err != nil {
			b.conn.Close()
			return nil, false, fmt.Errorf("subscribe: %w", err)
		}
	}
	linked := b.conn.IsConnected() && b.link()
	b.linked.Store(linked)
	b.working.Go(b.send)
	b.working.Go(b.receive)
	return b, linked, nil
}

// A bus is a connection to NATS.
type bus struct {
	station       cluster.Station
	log           hclog.Logger
	tree, all, to string // subjects; to lacks the ID
	conn          *nats.Conn
	out           chan outgoing
	in            chan *nats.Msg
	linked        atomic.Bool
	maxFrame      atomic.Int64 // kept here, as a connection that hangs does not answer

	opened  chan struct{} // closed at the end of Open, before which nothing is reported
	closed  chan struct{}
	working sync.WaitGroup

	mu     sync.Mutex
	logged map[string]bool // what has been logged since the link was up
}

type outgoing struct {
	subject string
	frame   []byte
}

// connect makes a connection that is made again whenever it is lost. Nothing is kept while it is
// down: late frames would repeat what has been announced since.
func (b *bus) connect(server string) error {
	options := []nats.Option{
		nats.Name("socketserver chat " + b.station.ID), nats.NoEcho(), nats.Timeout(firstTimeout),
		nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(), nats.ReconnectBufSize(-1),
		nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(reconnectWait, reconnectWait),
		nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(2), nats.FlusherTimeout(pingInterval),
		nats.ReconnectHandler(b.connected),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { b.disconnected(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			<-b.opened
			if b.logFailure(err); errors.Is(err, nats.ErrPermissionViolation) {
				b.setLinked(false)
			}
		}),
	}
	conn, err := nats.Connect(server, options...)
	if err != nil {
		if errors.Is(err, nats.ErrNoServers) { // which hides the only error that is not returned
			err = syscall.ECONNREFUSED
		}
		b.log.Warn("the bus cannot be reached; rooms are not linked to other servers until it can", "error", err)
		conn, err = nats.Connect(server, append(options, nats.Timeout(connectTimeout), nats.RetryOnFailedConnect(true), nats.ConnectHandler(b.connected))...)
	}
	b.conn = conn
	return err
}

// connected is called when the connection has been made again. NATS calls it and the other
// handlers one after the other.
func (b *bus) connected(*nats.Conn) {
	<-b.opened
	b.setLinked(b.link())
}

// link reports whether the rooms are linked: NATS may refuse the subscriptions or publishing.
func (b *bus) link() bool {
	b.maxFrame.Store(b.conn.MaxPayload())
	if err := b.probe(); err != nil {
		b.logFailure(err)
		return false
	}
	b.mu.Lock()
	clear(b.logged)
	b.mu.Unlock()
	b.log.Info("rooms are linked to other servers")
	return true
}

// probe publishes to the subjects and returns the error that NATS answers.
func (b *bus) probe() error {
	for _, subject := range []string{b.all, b.to + b.station.ID} {
		if err := b.conn.Publish(subject, nil); err != nil {
			return err
		}
	}
	if err := b.conn.FlushTimeout(connectTimeout); err != nil {
		return err
	}
	if err := b.conn.LastError(); errors.Is(err, nats.ErrPermissionViolation) {
		return err
	}
	return nil
}

func (b *bus) setLinked(linked bool) {
	b.linked.Store(linked)
	if !b.conn.IsClosed() {
		b.station.Linked(linked)
	}
}

func (b *bus) disconnected(err error) {
	<-b.opened
	if b.conn.IsClosed() {
		return
	}
	if err == nil {
		err = errors.New("the connection was closed")
	}
	b.log.Warn("the bus is lost; rooms are not linked to other servers until it is back", "error", err)
	b.setLinked(false)
}

// logFailure logs an error of NATS.
func (b *bus) logFailure(err error) {
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		b.logOnce("NATS refuses a subject of the bus; rooms are not linked to other servers", "error", err, "next", "allow the NATS user to publish and subscribe to "+b.tree)
	case errors.Is(err, nats.ErrSlowConsumer):
		b.logOnce("messages from other servers are lost: they come faster than this one takes them", "error", err)
	default:
		b.logOnce("the bus reports an error", "error", err)
	}
}

// logOnce logs an error once until the link is up again. The first two arguments tell errors of
// the same message apart.
func (b *bus) logOnce(message string, args ...any) {
	b.mu.Lock()
	key := message + fmt.Sprint(args[:min(len(args), 2)]...)
	again := b.logged[key]
	b.logged[key] = true
	b.mu.Unlock()
	if !again {
		b.log.Error(message, args...)
	}
}

// MaxFrame implements [cluster.Bus].
func (b *bus) MaxFrame() int {
	return int(min(b.maxFrame.Load(), math.MaxInt))
}

// Send implements [cluster.Bus].
func (b *bus) Send(to string, frame []byte) error {
	if len(frame) > b.MaxFrame() {
		b.logTooLarge(frame)
		return cluster.ErrTooLarge
	}
	subject := b.all
	if to != "" {
		subject = b.to + to
	}
	select {
	case b.out <- outgoing{subject, frame}:
	default:
		b.logOnce("messages for other servers are lost: the bus does not take them fast enough")
	}
	return nil
}

// send publishes the frames that Send was given, as NATS may block.
func (b *bus) send() {
	for {
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
	if !b.linked.Load() || !b.conn.IsConnected() { // it would be kept before the first connection
		return
	}
	if errors.Is(b.conn.Publish(m.subject, m.frame), nats.ErrMaxPayload) { // it has changed since Send
		b.logTooLarge(m.frame)
	}
}

func (b *bus) logTooLarge(frame []byte) {
	b.logOnce("messages for other servers are lost: they exceed max_payload of the NATS server", "max_payload", b.conn.MaxPayload(), "bytes", len(frame))
}

func (b *bus) receive() {
	for {
		select {
		case m := <-b.in:
			if len(m.Data) > 0 && b.linked.Load() {
				b.station.Receive(m.Data)
			}
		case <-b.closed:
			return
		}
	}
}

// Close implements [cluster.Bus].
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
