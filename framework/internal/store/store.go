// Package store has what handlers keep between requests: values by their keys, and counters. A [Memory] is in
// this process. A [Remote] is in a worker and asks its server, where a [Service] answers.
package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// A State has the methods of the framework's, whose Entry is E.
type State[E entry] interface {
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	Create(ctx context.Context, key string, value []byte) (revision uint64, err error)
	Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	Delete(ctx context.Context, key string) error
	Add(ctx context.Context, key string, n int64) (int64, error)
	Watch(ctx context.Context, key string) (<-chan E, error)
}

// An Entry has the fields of the framework's, and converts to it.
type Entry struct {
	Value    []byte
	Revision uint64
	Deleted  bool
}

type entry interface {
	~struct {
		Value    []byte
		Revision uint64
		Deleted  bool
	}
}

// The errors are exported by package framework.
var (
	ErrNoKey    = errors.New("framework: the state has no such key")
	ErrExists   = errors.New("framework: the key exists in the state")
	ErrConflict = errors.New("framework: the key has another revision")
)

// The bounds of keys and values, in bytes.
const (
	MaxKey   = 256
	MaxValue = 64 << 10
)

// Checked is a State that is asked for keys and values within the bounds only.
type Checked[E entry] struct {
	State State[E]
	Err   error // of every call, as there is no state; nil: there is
}

func (c Checked[E]) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	if err := c.check(key, nil); err != nil {
		return nil, 0, err
	}
	return c.State.Get(ctx, key)
}

func (c Checked[E]) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	if err := c.check(key, value); err != nil {
		return 0, err
	}
	return c.State.Create(ctx, key, value)
}

func (c Checked[E]) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if err := c.check(key, value); err != nil {
		return 0, err
	}
	return c.State.Update(ctx, key, value, revision)
}

func (c Checked[E]) Delete(ctx context.Context, key string) error {
	if err := c.check(key, nil); err != nil {
		return err
	}
	return c.State.Delete(ctx, key)
}

func (c Checked[E]) Add(ctx context.Context, key string, n int64) (int64, error) {
	if err := c.check(key, nil); err != nil {
		return 0, err
	}
	return c.State.Add(ctx, key, n)
}

func (c Checked[E]) Watch(ctx context.Context, key string) (<-chan E, error) {
	if err := c.check(key, nil); err != nil {
		return nil, err
	}
	return c.State.Watch(ctx, key)
}

// check reports that there is no state, a key that not every backend could have, and a value that is too large.
func (c Checked[E]) check(key string, value []byte) error {
	other := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-/_=.", r)
	}
	switch {
	case c.Err != nil:
		return c.Err
	case key == "" || len(key) > MaxKey:
		return fmt.Errorf("framework: a key of %d bytes; a key of the state has 1 to %d", len(key), MaxKey)
	case strings.ContainsFunc(key, other):
		return fmt.Errorf("framework: the key %q; a key of the state has letters, digits and -/_=. only", key)
	case strings.HasPrefix(key, ".") || strings.HasSuffix(key, ".") || strings.Contains(key, ".."):
		return fmt.Errorf("framework: the key %q; a dot in a key of the state stands between two other characters", key)
	case len(value) > MaxValue:
		return fmt.Errorf("framework: a value of %d bytes; a value of the state has at most %d", len(value), MaxValue)
	}
	return nil
}

// replace makes e what c has for its reader. Only one goroutine at a time may send to c, which has room for one.
func replace[E entry](c chan E, e Entry) {
	select {
	case <-c:
	default:
	}
	c <- E(e)
}
