package kv

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/internal/natsclient"
)

// A bucket is the state of one server: a KV bucket of NATS for the values, and a stream of counters beside it,
// as a stream of counters has nothing else. Reads go to the leader of a stream, as its other copies may lag behind
// what a client has written itself.
type bucket struct {
	service, name string
	conn          *nats.Conn
	js            jetstream.JetStream
	broken        context.Context // done when nothing can be written any more
	log           hclog.Logger

	mu               sync.Mutex // held while the streams are opened
	values, counters jetstream.Stream
	kv               jetstream.KeyValue // of values, for watching
}

var _ framework.State = (*bucket)(nil)

// openBucket opens the bucket of a server, or makes it, as soon as NATS can be reached. It owns conn.
func openBucket(ctx context.Context, conn *nats.Conn, service, name string, broken context.Context, log hclog.Logger) (*bucket, error) {
	b := &bucket{service: service, name: name, conn: conn, broken: broken, log: log}
	var err error
	if b.js, err = jetstream.New(conn); err == nil {
		if err = b.open(ctx); errors.Is(err, errAway) {
			return b, nil
		}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return b, nil
}

func (b *bucket) close() { b.conn.Close() }

// stamp is the metadata that names the server of a bucket.
const stamp = "socketserver_server"

// open opens the streams, unless they are open.
func (b *bucket) open(ctx context.Context) error {
	if !b.conn.IsConnected() {
		return errAway
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.counters != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	values, err := b.stream(ctx, jetstream.StreamConfig{
		Name: "KV_" + b.name, Subjects: []string{b.subject("$KV", ">")}, Discard: jetstream.DiscardNew,
		AllowRollup: true, DenyDelete: true, AllowMsgTTL: true,
	})
	if err != nil {
		return err
	}
	counters, err := b.stream(ctx, jetstream.StreamConfig{
		Name: "COUNT_" + b.name, Subjects: []string{b.subject("$COUNT", ">")}, AllowMsgCounter: true,
	})
	if err != nil {
		return err
	}
	if b.kv, err = b.js.KeyValue(ctx, b.name); err != nil {
		return explain(err)
	}
	b.values, b.counters = values, counters
	if values.CachedInfo().State.LastSeq == 0 && counters.CachedInfo().State.LastSeq == 0 {
		b.log.Info("the state is empty", "bucket", b.name)
	}
	return nil
}

// subject returns that of a key, or > for all of them.
func (b *bucket) subject(tree, key string) string { return tree + "." + b.name + "." + key }

// stream opens a stream of the bucket, or makes it.
func (b *bucket) stream(ctx context.Context, c jetstream.StreamConfig) (jetstream.Stream, error) {
	c.Description = "state of the socketserver server " + strconv.Quote(b.service)
	c.Metadata = map[string]string{stamp: b.service}
	c.MaxMsgsPerSubject, c.MaxMsgs, c.MaxBytes, c.MaxConsumers, c.MaxMsgSize = 1, -1, -1, -1, -1
	s, err := natsclient.OpenStream(ctx, b.js, c)
	if err != nil {
		return nil, explain(err)
	}
	switch of := s.CachedInfo().Config; {
	case of.Metadata[stamp] == "":
		return nil, fmt.Errorf("the bucket %q exists and is not that of a server; choose another bucket", b.name)
	case of.Metadata[stamp] != b.service:
		return nil, fmt.Errorf("the bucket %q is that of server %q; choose another bucket", b.name, of.Metadata[stamp])
	case of.AllowDirect:
		return nil, fmt.Errorf("the bucket %q allows direct gets, which may return what has been replaced; set allow_direct of stream %s to false", b.name, c.Name)
	}
	return s, nil
}

// change is call for what writes.
func (b *bucket) change(ctx context.Context, do func(ctx context.Context) error) error {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.broken, cancel)()
	err := b.call(within, do)
	if err != nil && b.broken.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("state: %w", context.Cause(b.broken))
	}
	return err
}

// call does something with the streams within a time.
func (b *bucket) call(ctx context.Context, do func(ctx context.Context) error) error {
	if err := b.open(ctx); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	within, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := do(within)
	switch {
	case err == nil, errors.Is(err, framework.ErrNoKey), errors.Is(err, framework.ErrExists), errors.Is(err, framework.ErrConflict):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("state: %w", explain(err))
}

// kvOperation is the header by which a KV bucket marks a deletion, and markerLife how long the marker is kept: a watch
// that was interrupted for that time misses the deletion.
const (
	kvOperation = "KV-Operation"
	purge       = "PURGE"
	markerLife  = time.Hour
)

// get returns the last message of a key, which exists or not. A key without one has revision 0.
func (b *bucket) get(ctx context.Context, key string) (m *jetstream.RawStreamMsg, exists bool, err error) {
	m, err = b.values.GetLastMsgForSubject(ctx, b.subject("$KV", key))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return &jetstream.RawStreamMsg{}, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return m, m.Header.Get(kvOperation) == "" && m.Header.Get(jetstream.MarkerReasonHeader) == "", nil
}

// put sets a value, unless the last message of its key is another than revision; 0: there is none. A leader refuses
// it also for a message that it has not stored yet, as where it is cut off, and would go on to return what was
// there before: that is a conflict once another message is there.
func (b *bucket) put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	m := &nats.Msg{Subject: b.subject("$KV", key), Data: value}
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		ack, err := b.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(revision))
		switch {
		case err == nil:
			return ack.Sequence, nil
		case !natsclient.IsConflict(err):
			return 0, err
		case !natsclient.IsUndecided(err):
			return 0, framework.ErrConflict
		}
		if last, _, err := b.get(ctx, key); err != nil || last.Sequence != revision {
			return 0, cmp.Or(err, framework.ErrConflict)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// What a message that is not stored yet is waited for before the next look.
const minPause, maxPause = time.Millisecond, 50 * time.Millisecond

// Get implements [framework.State].
func (b *bucket) Get(ctx context.Context, key string) (value []byte, revision uint64, err error) {
	err = b.call(ctx, func(ctx context.Context) error {
		m, exists, err := b.get(ctx, key)
		if err == nil && !exists {
			err = framework.ErrNoKey
		}
		if err == nil {
			value, revision = m.Data, m.Sequence
		}
		return err
	})
	return value, revision, err
}

// Create implements [framework.State].
func (b *bucket) Create(ctx context.Context, key string, value []byte) (revision uint64, err error) {
	err = b.change(ctx, func(ctx context.Context) error {
		var last uint64
		for {
			var err error
			if revision, err = b.put(ctx, key, value, last); !errors.Is(err, framework.ErrConflict) {
				return err
			}
			m, exists, err := b.get(ctx, key)
			if err != nil {
				return err
			}
			if exists {
				return framework.ErrExists
			}
			last = m.Sequence // of its deletion
		}
	})
	return revision, err
}

// Update implements [framework.State].
func (b *bucket) Update(ctx context.Context, key string, value []byte, revision uint64) (next uint64, err error) {
	err = b.change(ctx, func(ctx context.Context) (err error) {
		if revision == 0 { // of no key
			return framework.ErrConflict
		}
		next, err = b.put(ctx, key, value, revision)
		return err
	})
	return next, err
}

// Delete implements [framework.State].
func (b *bucket) Delete(ctx context.Context, key string) error {
	return b.change(ctx, func(ctx context.Context) error {
		if err := b.counters.Purge(ctx, jetstream.WithPurgeSubject(b.subject("$COUNT", key))); err != nil {
			return err
		}
		_, exists, err := b.get(ctx, key)
		if err != nil || !exists {
			return err
		}
		m := nats.NewMsg(b.subject("$KV", key))
		m.Header.Set(kvOperation, purge)
		m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
		_, err = b.js.PublishMsg(ctx, m, jetstream.WithMsgTTL(markerLife))
		return err
	})
}

// Add implements [framework.State]. JetStream counts beyond 64 bits and cannot be told not to, so such a sum is undone; until then
// others may see it.
func (b *bucket) Add(ctx context.Context, key string, n int64) (sum int64, err error) {
	err = b.change(ctx, func(within context.Context) error {
		var err error
		if n == 0 {
			sum, err = b.count(within, key)
			return err
		}
		if sum, err = b.increase(within, key, big.NewInt(n)); errors.Is(err, errBeyond) {
			undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
			defer cancel()
			undone := new(big.Int).Neg(big.NewInt(n))
			if _, failed := b.increase(undoing, key, undone); failed != nil && !errors.Is(failed, errBeyond) {
				return fmt.Errorf("the counter is beyond 64 bits, as that could not be undone: %w", failed)
			}
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return sum, nil
}

var errBeyond = errors.New("the counter would be beyond 64 bits")

// increase adds to a counter. With errBeyond it has done so, too.
func (b *bucket) increase(ctx context.Context, key string, n *big.Int) (int64, error) {
	m := nats.NewMsg(b.subject("$COUNT", key))
	m.Header.Set("Nats-Incr", n.String())
	ack, err := b.js.PublishMsg(ctx, m)
	if err != nil {
		return 0, err
	}
	sum, err := strconv.ParseInt(ack.Value, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		err = errBeyond
	}
	return sum, err
}

// count returns a counter.
func (b *bucket) count(ctx context.Context, key string) (int64, error) {
	m, err := b.counters.GetLastMsgForSubject(ctx, b.subject("$COUNT", key))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var counter struct {
		Value string `json:"val"`
	}
	if err := json.Unmarshal(m.Data, &counter); err != nil {
		return 0, fmt.Errorf("read the counter: %w", err)
	}
	sum, err := strconv.ParseInt(counter.Value, 10, 64)
	if errors.Is(err, strconv.ErrRange) { // another client of NATS has added to it, or one has gone before it could undo that
		err = errors.New("the counter is beyond 64 bits; add what brings it back, or delete its key")
	}
	return sum, err
}

// Watch implements [framework.State].
func (b *bucket) Watch(ctx context.Context, key string) (<-chan framework.Entry, error) {
	var watcher jetstream.KeyWatcher
	if err := b.call(ctx, func(context.Context) (err error) {
		watcher, err = b.kv.Watch(ctx, key) // which ends with ctx
		return err
	}); err != nil {
		return nil, err
	}
	entries := make(chan framework.Entry, 1)
	go func() {
		defer close(entries)
		defer func() { _ = watcher.Stop() }()
		pass(ctx, watcher.Updates(), entries)
	}()
	return entries, nil
}

// pass passes entries on until ctx is done. Who reads slowly has the last one.
func pass(ctx context.Context, from <-chan jetstream.KeyValueEntry, to chan framework.Entry) {
	for begun := false; ; {
		var e jetstream.KeyValueEntry
		ok := true
		select {
		case e, ok = <-from:
		case <-ctx.Done():
			return
		}
		deleted := e != nil && e.Operation() != jetstream.KeyValuePut
		switch {
		case !ok:
			return
		case e == nil: // what there was has come
			begun = true
			continue
		case deleted && !begun:
			continue
		}
		entry := framework.Entry{Deleted: true}
		if !deleted {
			entry = framework.Entry{Value: e.Value(), Revision: e.Revision()}
		}
		select {
		case <-to:
		default:
		}
		to <- entry
	}
}
