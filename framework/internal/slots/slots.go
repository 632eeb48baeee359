// Package slots counts what is in use and bounds it.
package slots

import (
	"container/list"
	"sync"
)

// A Semaphore bounds how many goroutines hold a slot. Its size is that of the first call, until
// Resize. The zero value is ready.
type Semaphore struct {
	mu      sync.Mutex
	size    int // 0: nobody has called
	held    int
	waiting list.List // of chan struct{}, which are closed when a slot is theirs
}

// Acquire takes one of n slots, if need be after waiting for it, which ends without one when done
// is closed.
func (b *Semaphore) Acquire(n int, done <-chan struct{}) bool {
	b.mu.Lock()
	if b.take(n) {
		b.mu.Unlock()
		return true
	}
	granted := make(chan struct{})
	place := b.waiting.PushBack(granted)
	b.mu.Unlock()
	select {
	case <-granted:
	case <-done:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-done: // which may have made the room, too
	default:
		return true
	}
	select {
	case <-granted:
		b.held--
		b.grant()
	default:
		b.waiting.Remove(place)
	}
	return false
}

// Try takes one of n slots if one is free.
func (b *Semaphore) Try(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.take(n)
}

func (b *Semaphore) take(n int) bool {
	if b.size == 0 {
		b.size = n
	}
	if b.held >= b.size || b.waiting.Len() > 0 {
		return false
	}
	b.held++
	return true
}

// Release returns the slot.
func (b *Semaphore) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held--
	b.grant()
}

// Resize changes the size. Where more slots are held already, none is granted until they have
// been returned.
func (b *Semaphore) Resize(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.size = n
	b.grant()
}

// grant gives the free slots to those that wait longest.
func (b *Semaphore) grant() {
	for b.held < b.size && b.waiting.Len() > 0 {
		close(b.waiting.Remove(b.waiting.Front()).(chan struct{}))
		b.held++
	}
}
