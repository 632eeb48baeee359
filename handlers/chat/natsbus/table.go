package natsbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
	"github.com/go-socketserver/socketserver/internal/natsclient"
)

// readTable reads the table, in which b.users then is, and follows it. It returns the keys that are this server's.
func (s *session) readTable(ctx context.Context) (own map[string]uint64, err error) {
	if s.watcher, err = s.kv.WatchAll(s.ctx); err != nil {
		return nil, err
	}
	own = map[string]uint64{}
	for key := range s.bus.users {
		s.missing[key] = true // until it comes: NATS may have lost the table
	}
	for {
		select {
		case e, ok := <-s.watcher.Updates():
			switch {
			case !ok:
				return nil, errors.New("the watch has ended")
			case e != nil:
				if p := s.apply(e); p.Server == s.bus.station.ID {
					own[e.Key()] = e.Revision()
				}
				continue
			}
			return own, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// apply does what an entry of the bucket says, and returns the user in it. Between two entries of a key others may have
// been, which a watch leaves out.
func (s *session) apply(e jetstream.KeyValueEntry) (p cluster.Presence) {
	b, gone := s.bus, e.Operation() != jetstream.KeyValuePut
	if server, is := strings.CutPrefix(e.Key(), serverKey); is {
		s.heardOf(server, !gone)
		return p
	}
	if gone {
		s.drop(e.Key())
		return p
	}
	p, err := cluster.ParsePresence(e.Value())
	switch {
	case err != nil || !strings.HasPrefix(e.Key(), userKey):
		b.logOnce("another program uses the bucket of the bus; its keys are ignored", "key", e.Key(), "error", err)
		s.drop(e.Key())
	case p.Server == b.station.ID:
		s.drop(e.Key())
	default:
		s.put(e.Key(), user{p, e.Revision()})
	}
	return p
}

// heardOf records whether a server has a key.
func (s *session) heardOf(server string, is bool) {
	switch {
	case !is:
		if delete(s.alive, server); s.settled {
			s.bury()
		}
	case !cluster.IsID(server) || len(s.alive) >= maxServers && !s.alive[server]:
		s.bus.logOnce("another program uses the bucket of the bus, or there are too many servers; further ones are ignored", "most", maxServers)
	default:
		s.alive[server] = true
	}
}

// put adds a user of another server, or changes it.
func (s *session) put(key string, u user) {
	b := s.bus
	before, known := b.users[key]
	if known && (before.Server != u.Server || before.ID != u.ID) {
		s.drop(key)
		known = false
	}
	more := u.cost(key)
	if known {
		more -= before.cost(key)
	}
	if b.size+more > maxTable {
		b.logOnce("there are too many users on the bus; further ones are not known here", "users", len(b.users))
		s.drop(key)
		return
	}
	b.users[key], b.size = u, b.size+more
	delete(s.missing, key)
	if b.station.Present(u.Presence); !s.alive[u.Server] {
		s.overdue.Reset(grace)
	}
}

func (s *session) drop(key string) {
	if u, is := s.bus.users[key]; is {
		delete(s.bus.users, key)
		s.bus.size -= u.cost(key)
		s.bus.station.Absent(u.Presence)
	}
}

// bury removes the users of servers that have no key. All servers do that, as any of them may be killed.
func (s *session) bury() {
	dead := map[string]uint64{}
	for key, u := range s.bus.users {
		if !s.alive[u.Server] {
			dead[key] = u.revision
			s.drop(key)
		}
	}
	if len(dead) > 0 {
		s.burying.Go(func() {
			for key, revision := range dead {
				s.purge(key, revision)
			}
		})
	}
}

// purge removes a key, unless it has changed.
func (s *session) purge(key string, revision uint64) {
	ctx, cancel := s.bounded()
	defer cancel()
	err := s.kv.Purge(ctx, key, jetstream.LastRevision(revision), jetstream.PurgeTTL(markerLife))
	if err != nil && !natsclient.IsConflict(err) {
		s.bus.lose(s, err)
	}
}

// Claim implements [cluster.Bus].
func (b *bus) Claim(key string, p cluster.Presence) error {
	s := b.joined.Load()
	if s == nil || !s.ready.Load() {
		return cluster.ErrAway
	}
	value, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("marshal a user: %w", err)
	}
	ctx, cancel := s.bounded()
	defer cancel()
	err = s.claim(ctx, userKey+key, value)
	switch {
	case errors.Is(err, cluster.ErrTaken):
		return err
	case err == nil && !s.hasLease():
		err = errors.New("it did not answer in time")
	}
	if err != nil {
		b.lose(s, err)
		return cluster.ErrAway
	}
	return nil
}

// claim puts a key that no other server has.
func (s *session) claim(ctx context.Context, key string, value []byte) error {
	s.mu.Lock()
	revision := s.own[key]
	s.mu.Unlock()
	for {
		var err error
		if revision > 0 {
			revision, err = s.kv.Update(ctx, key, value, revision)
		} else {
			revision, err = s.kv.Create(ctx, key, value)
		}
		if err == nil {
			s.mu.Lock()
			s.own[key] = revision
			s.mu.Unlock()
			return nil
		}
		if !errors.Is(err, jetstream.ErrKeyExists) && !natsclient.IsConflict(err) {
			return err
		}
		e, err := s.kv.Get(ctx, key)
		revision = 0
		switch {
		case errors.Is(err, jetstream.ErrKeyNotFound): // no more
			continue
		case err != nil:
			return err
		}
		if p, err := cluster.ParsePresence(e.Value()); err != nil || p.Server != s.bus.station.ID {
			return cluster.ErrTaken
		}
		revision = e.Revision()
	}
}

// Release implements [cluster.Bus].
func (b *bus) Release(key string) {
	s := b.joined.Load()
	if s == nil || !s.ready.Load() {
		return
	}
	s.mu.Lock()
	revision := s.own[userKey+key]
	delete(s.own, userKey+key)
	s.mu.Unlock()
	if revision > 0 {
		s.purge(userKey+key, revision)
	}
}
