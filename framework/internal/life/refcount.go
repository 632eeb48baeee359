package life

import "sync"

// A Refcount counts the users of something that the first one acquires and the last one
// releases. The zero value is ready.
type Refcount struct {
	mu sync.Mutex
	n  int
}

// Acquire calls first for the first user, which is not counted if that fails.
func (u *Refcount) Acquire(first func() error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n == 0 {
		if err := first(); err != nil {
			return err
		}
	}
	u.n++
	return nil
}

// Release calls last, which may be nil, for the last user.
func (u *Refcount) Release(last func() error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n--; u.n > 0 || last == nil {
		return nil
	}
	return last()
}
