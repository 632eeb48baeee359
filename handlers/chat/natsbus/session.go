package natsbus

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
	"github.com/go-socketserver/socketserver/internal/natsclient"
)

const (
	joinTimeout = 2 * time.Second
	retryWait   = time.Second // between attempts to join while there is a connection
	leaseTime   = 3 * time.Second
	renewal     = leaseTime / 4
	grace       = 2 * time.Second // for servers that are not back yet
	markerLife  = time.Minute     // of what tells others that a key is gone
)

// Keys of the bucket.
const (
	serverKey = "server." // and its ID; it lives for leaseTime unless it is renewed
	userKey   = "user."
)

// A session is the time from when the bus is joined until that is lost. Any error ends it: the next one
// begins by making the table right.
type session struct {
	bus    *bus
	ctx    context.Context // done when the session is lost
	cancel context.CancelCauseFunc
	js     jetstream.JetStream
	kv     jetstream.KeyValue
	over   bool        // guarded by bus.reporting
	ready  atomic.Bool // keys may be claimed

	// The lease is this server's key. Others take its users for gone when it has ended, so from then on
	// this server neither sends frames nor takes any.
	until    atomic.Int64 // of now
	revision uint64

	alive   map[string]bool // servers that have a key
	settled bool            // servers have had time to come back
	missing map[string]bool // users that were in the table of the session before
	watcher jetstream.KeyWatcher
	burying sync.WaitGroup
	overdue *time.Timer // when to remove users whose server has none

	history   jetstream.Stream         // nil: there is none
	following jetstream.ConsumeContext // of it

	mu  sync.Mutex
	own map[string]uint64 // revisions of the keys that this server has claimed
}

// A user is an entry of the table.
type user struct {
	cluster.Presence
	revision uint64
}

// What is kept of the table. Whoever may write to the bucket may put there what it likes.
const (
	maxServers = 10_000
	maxTable   = 128 << 20 // bytes of all users, which are 100 000 about
	perUser    = 1 << 10   // bytes beside those of its texts, in a room as well
)

// cost is what a user takes.
func (u user) cost(key string) int { return perUser + len(key) + len(u.Name) + len(u.Room) }

func (s *session) hasLease() bool { return now() < time.Duration(s.until.Load()) }

// isLinked reports whether frames are sent and taken.
func (b *bus) isLinked() bool {
	s := b.linked.Load()
	return s != nil && s.hasLease()
}

// run joins the bus whenever there is a connection, and keeps the session until it is lost.
func (b *bus) run(s *session) {
	for {
		if s != nil {
			s.keep()
		}
		again := time.NewTimer(retryWait)
		select {
		case <-b.closed:
			again.Stop()
			return
		case <-b.up:
		case <-again.C:
		}
		again.Stop()
		if s = nil; b.conn.IsConnected() {
			if s = b.join(); s != nil {
				b.setLinked(s, true)
			}
		}
	}
}

// setLinked has frames sent and taken, unless the session has been lost.
func (b *bus) setLinked(s *session, report bool) bool {
	b.reporting.Lock()
	defer b.reporting.Unlock()
	if !s.over {
		b.linked.Store(s)
		if report {
			b.station.Linked(true)
		}
	}
	return !s.over
}

// lose ends a session, which may be nil.
func (b *bus) lose(s *session, err error) {
	if s == nil {
		return
	}
	b.reporting.Lock()
	defer b.reporting.Unlock()
	if s.over {
		return
	}
	s.over = true
	s.cancel(err)
	b.joined.CompareAndSwap(s, nil)
	if b.linked.CompareAndSwap(s, nil) && !b.conn.IsClosed() {
		b.log.Warn("the bus is lost; rooms are not linked to other servers until it is back", "error", natsclient.Explain(err))
		b.station.Linked(false)
	}
}

// join makes a session in which all users of this server are in the table, or logs why there is none.
func (b *bus) join() *session {
	b.maxFrame.Store(b.conn.MaxPayload())
	s := &session{bus: b, alive: map[string]bool{}, missing: map[string]bool{}, own: map[string]uint64{}, overdue: time.NewTimer(grace)}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	b.joined.Store(s)
	within, cancel := context.WithTimeout(s.ctx, joinTimeout)
	defer cancel()
	err := s.open(within)
	if err == nil {
		b.mu.Lock()
		clear(b.logged)
		b.mu.Unlock()
		b.log.Info("rooms are linked to other servers")
		return s
	}
	if cause := context.Cause(s.ctx); cause != nil {
		err = cause
	}
	b.lose(s, err)
	s.close()
	b.logFailure(natsclient.Explain(err))
	return nil
}

// open joins.
func (s *session) open(ctx context.Context) error {
	b := s.bus
	if err := b.probe(); err != nil {
		return err
	}
	var err error
	if s.js, err = jetstream.New(b.conn); err != nil {
		return err
	}
	if err := s.openStreams(ctx); err != nil {
		return err
	}
	if err := s.renew(ctx); err != nil {
		return fmt.Errorf("announce this server: %w", err)
	}
	stale, err := s.readTable(ctx)
	if err != nil {
		return fmt.Errorf("read the table of users: %w", err)
	}
	if err := s.followHistory(ctx); err != nil {
		return fmt.Errorf("follow the history: %w", err)
	}
	s.ready.Store(true)
	if err := b.station.Join(); err != nil {
		return err
	}
	for key, revision := range stale { // users that have left since
		if _, claimed := s.own[key]; !claimed {
			s.purge(key, revision)
		}
	}
	return s.ctx.Err()
}

// keep renews the lease and follows the table until the session is lost.
func (s *session) keep() {
	defer s.close()
	tick := time.NewTicker(renewal)
	defer tick.Stop()
	for {
		select {
		case e := <-s.watcher.Updates():
			if e != nil {
				s.apply(e)
			}
		case <-tick.C:
			ctx, cancel := s.bounded()
			err := s.renew(ctx)
			if cancel(); err != nil {
				s.bus.lose(s, err)
			}
		case <-s.overdue.C:
			s.settled = true
			for key, is := range s.missing {
				if is {
					s.drop(key)
				}
			}
			clear(s.missing)
			s.bury()
		case <-s.ctx.Done():
			return
		case <-s.bus.closed:
			ctx, cancel := s.bounded()
			_ = s.kv.Purge(ctx, serverKey+s.bus.station.ID, jetstream.PurgeTTL(markerLife))
			cancel()
			s.cancel(nil)
			return
		}
	}
}

func (s *session) close() {
	s.cancel(nil)
	s.burying.Wait()
	s.overdue.Stop()
	if s.watcher != nil {
		_ = s.watcher.Stop()
	}
	if s.following != nil {
		s.following.Stop()
		<-s.following.Closed()
	}
}

// bounded returns a context that ends with the lease.
func (s *session) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, time.Duration(s.until.Load())-now())
}

// renew puts this server's key, which nobody has removed meanwhile. The lease counts from before.
func (s *session) renew(ctx context.Context) error {
	m := nats.NewMsg("$KV." + s.bus.name + "." + serverKey + s.bus.station.ID)
	options := []jetstream.PublishOpt{jetstream.WithMsgTTL(leaseTime)}
	if s.revision > 0 {
		options = append(options, jetstream.WithExpectLastSequencePerSubject(s.revision))
	}
	sent := now()
	ack, err := s.js.PublishMsg(ctx, m, options...)
	if err != nil {
		return err
	}
	s.revision = ack.Sequence
	s.until.Store(int64(sent + leaseTime))
	return nil
}
