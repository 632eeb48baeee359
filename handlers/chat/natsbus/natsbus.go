// Package natsbus carries the rooms of package chat between servers over NATS. A program whose
// chat handlers may have a bus sets chat.Buses to a [Driver] at the start of main.
//
// Every server subscribes to two subjects below a name on the NATS server, its tree:
//
//	socketserver.chat.TREE.room.ROOM  frames that are said in a room
//	socketserver.chat.TREE.to.ID      frames for the server ID
//
// Delivery is at most once: what is sent while NATS is away is lost, and never late. What is said is
// also stored in the stream socketserver_chat_TREE, if a server has a history. The KV bucket of the
// same name has the servers, each with a time to live, and the table of users.
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
	"github.com/nats-io/nats.go/jetstream"

	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
	"github.com/go-socketserver/socketserver/internal/natsclient"
)

const (
	defaultTree = "default"
	maxOut      = 4096 // frames waiting to be sent
	maxIn       = 8192 // frames waiting to be received

	connectTimeout = 2 * time.Second // of each address, but of the first attempt
	flushTimeout   = time.Second
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

// Open implements [cluster.Driver]. It takes at most a second for each address of the host, and
// joinTimeout.
func (Driver) Open(address string, station cluster.Station) (cluster.Bus, bool, error) {
	server, tree, err := parse(address)
	if err != nil {
		return nil, false, fmt.Errorf("the address %w", err)
	}
	prefix := "socketserver.chat." + tree + "."
	b := &bus{
		station: station, log: station.Log.With("bus", server.Host),
		name: "socketserver_chat_" + tree, tree: prefix + ">", room: prefix + "room.", to: prefix + "to.",
		out: make(chan outgoing, maxOut), in: make(chan *nats.Msg, maxIn), closed: make(chan struct{}),
		opened: make(chan struct{}), up: make(chan struct{}, 1), logged: map[string]bool{}, users: map[string]user{},
	}
	defer close(b.opened)
	b.maxFrame.Store(math.MaxInt64)
	if err := b.connect(server.String()); err != nil {
		return nil, false, fmt.Errorf("connect to %s: %w", server.Host, err)
	}
	for _, subject := range []string{b.room + "*", b.to + station.ID} {
		if _, err := b.conn.ChanSubscribe(subject, b.in); err != nil {
			b.conn.Close()
			return nil, false, fmt.Errorf("subscribe: %w", err)
		}
	}
	var first *session
	if b.conn.IsConnected() {
		first = b.join()
	}
	linked := first != nil && b.setLinked(first, false)
	b.working.Go(func() { b.run(first) })
	b.working.Go(b.send)
	b.working.Go(b.receive)
	return b, linked, nil
}

// A bus is a connection to NATS.
type bus struct {
	station        cluster.Station
	log            hclog.Logger
	name           string // of the bucket and the stream
	tree, room, to string // subjects; the last two lack a name
	conn           *nats.Conn
	out            chan outgoing
	in             chan *nats.Msg
	maxFrame       atomic.Int64 // kept here, as a connection that hangs does not answer

	opened  chan struct{} // closed at the end of Open, before which nothing is reported
	up      chan struct{} // the connection has been made again
	closed  chan struct{}
	working sync.WaitGroup

	// For the goroutine that joins and keeps sessions.
	users map[string]user // of other servers, by key
	size  int             // what they take

	reporting sync.Mutex              // serializes Linked
	joined    atomic.Pointer[session] // the one whose keys may be claimed
	linked    atomic.Pointer[session] // the same when all users have been claimed

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
	options := append(natsclient.Options("socketserver chat "+b.station.ID), nats.NoEcho(), nats.FlusherTimeout(connectTimeout),
		nats.ReconnectHandler(b.connected),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { b.disconnected(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				b.lose(b.joined.Load(), err)
			}
			b.logFailure(err)
		}),
	)
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

func (b *bus) connected(*nats.Conn) {
	select {
	case b.up <- struct{}{}:
	default:
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
	b.lose(b.joined.Load(), err)
}

// probe publishes to the subjects and returns the error that NATS answers. No stream stores that.
func (b *bus) probe() error {
	for _, subject := range []string{b.room + "-", b.to + b.station.ID} {
		m := nats.NewMsg(subject)
		m.Header.Set(jetstream.ExpectedStreamHeader, "none")
		if err := b.conn.PublishMsg(m); err != nil {
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

// logFailure logs an error of NATS.
func (b *bus) logFailure(err error) {
	switch {
	case errors.Is(err, nats.ErrPermissionViolation):
		b.logEach(err, "NATS refuses a subject of the bus; rooms are not linked to other servers",
			"next", "allow the NATS user to publish and subscribe to "+b.tree+", and to publish to $JS.API.> and $KV."+b.name+".>")
	case errors.Is(err, nats.ErrSlowConsumer):
		b.logOnce("messages from other servers are lost: they come faster than this one takes them", "error", err)
	default:
		b.logEach(err, "the bus reports an error")
	}
}

// logOnce logs a message once until the link is up again, whatever its arguments are: others may choose those.
func (b *bus) logOnce(message string, args ...any) {
	if b.isNew(message) {
		b.log.Error(message, args...)
	}
}

// logEach logs an error of NATS once until the link is up again.
func (b *bus) logEach(err error, message string, args ...any) {
	if b.isNew(err.Error()) {
		b.log.Error(message, append([]any{"error", err}, args...)...)
	}
}

const maxLogged = 32 // that are logged until the link is up again

// isNew reports whether what was not logged is to be.
func (b *bus) isNew(what string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.logged[what] || len(b.logged) >= maxLogged {
		return false
	}
	b.logged[what] = true
	return true
}

// Send implements [cluster.Bus].
func (b *bus) Send(to string, frame []byte) error { return b.queue(b.to+to, frame) }

// Say implements [cluster.Bus].
func (b *bus) Say(room string, frame []byte) error { return b.queue(b.room+room, frame) }

func (b *bus) queue(subject string, frame []byte) error {
	if int64(len(frame)) > b.maxFrame.Load() {
		b.logTooLarge(frame)
		return cluster.ErrTooLarge
	}
	select {
	case b.out <- outgoing{subject, frame}:
	default:
		b.logOnce("messages for other servers are lost: the bus does not take them fast enough")
	}
	return nil
}

// send publishes the frames that wait, as NATS may block.
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
	if !b.isLinked() || !b.conn.IsConnected() { // it would be kept before the first connection
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
			if b.isLinked() {
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
