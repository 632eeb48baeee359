package store

import (
	"bytes"
	"context"
	"errors"
	"math"
	"sync"
)

// maxMemory bounds the keys and values of a Memory, in bytes.
const maxMemory = 64 << 20

// perKey is what a key takes beside its own bytes and those of its value, about.
const perKey = 128

var errFull = errors.New("framework: the state in memory is full: its keys and values have 64 MiB; delete some, or keep it in a file or in NATS")

// A Memory is a State of this process. No call of it waits.
type Memory[E entry] struct {
	mu       sync.Mutex
	size     int
	revision uint64 // the last one
	values   map[string]Entry
	counters map[string]int64
	watches  map[string]map[chan E]struct{}
}

func NewMemory[E entry]() *Memory[E] {
	return &Memory[E]{values: map[string]Entry{}, counters: map[string]int64{}, watches: map[string]map[chan E]struct{}{}}
}

func (m *Memory[E]) Get(_ context.Context, key string) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.values[key]
	if !ok {
		return nil, 0, ErrNoKey
	}
	return bytes.Clone(e.Value), e.Revision, nil
}

func (m *Memory[E]) Create(_ context.Context, key string, value []byte) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.values[key]; ok {
		return 0, ErrExists
	}
	return m.put(key, value, len(key)+len(value)+perKey)
}

func (m *Memory[E]) Update(_ context.Context, key string, value []byte, revision uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.values[key]
	if !ok || e.Revision != revision {
		return 0, ErrConflict
	}
	return m.put(key, value, len(value)-len(e.Value))
}

// put sets a value, which takes so many bytes more than what there was.
func (m *Memory[E]) put(key string, value []byte, more int) (uint64, error) {
	if more > 0 && m.size+more > maxMemory {
		return 0, errFull
	}
	m.size += more
	m.revision++
	e := Entry{Value: append([]byte{}, value...), Revision: m.revision}
	m.values[key] = e
	m.changed(key, e)
	return m.revision, nil
}

// changed tells those that watch the key.
func (m *Memory[E]) changed(key string, e Entry) {
	for c := range m.watches[key] {
		e.Value = bytes.Clone(e.Value)
		replace(c, e)
	}
}

func (m *Memory[E]) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.counters[key]; ok {
		m.size -= len(key) + perKey
		delete(m.counters, key)
	}
	if e, ok := m.values[key]; ok {
		m.size -= len(key) + len(e.Value) + perKey
		delete(m.values, key)
		m.changed(key, Entry{Deleted: true})
	}
	return nil
}

func (m *Memory[E]) Add(_ context.Context, key string, n int64) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was, ok := m.counters[key]
	switch {
	case n > 0 && was > math.MaxInt64-n, n < 0 && was < math.MinInt64-n:
		return 0, errors.New("framework: the counter would be beyond 64 bits")
	case ok:
	case m.size+len(key)+perKey > maxMemory:
		return 0, errFull
	default:
		m.size += len(key) + perKey
	}
	m.counters[key] = was + n
	return was + n, nil
}

func (m *Memory[E]) Watch(ctx context.Context, key string) (<-chan E, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := make(chan E, 1)
	if e, ok := m.values[key]; ok {
		e.Value = bytes.Clone(e.Value)
		c <- E(e)
	}
	if m.watches[key] == nil {
		m.watches[key] = map[chan E]struct{}{}
	}
	m.watches[key][c] = struct{}{}
	context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watches[key], c)
		if len(m.watches[key]) == 0 {
			delete(m.watches, key)
		}
		close(c)
	})
	return c, nil
}
