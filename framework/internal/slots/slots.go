// Package slots counts what is in use and bounds it.
package slots

import "sync"

// A Semaphore bounds how many goroutines hold a slot. Its size is that of the first Acquire.
// The zero value is ready.
type Semaphore struct {
	once  sync.Once
	slots chan struct{}
}

// Acquire takes one of n slots. It gives up when done is closed.
func (b *Semaphore) Acquire(n int, done <-chan struct{}) bool {
	if b.Try(n) { // first, as select chooses at random where done is closed too
		return true
	}
	select {
	case b.slots <- struct{}{}:
		return true
	case <-done:
		return false
	}
}

// Try takes one of n slots if one is free.
func (b *Semaphore) Try(n int) bool {
	b.once.Do(func() { b.slots = make(chan struct{}, n) })
	select {
	case b.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// Release returns the slot.
func (b *Semaphore) Release() { <-b.slots }
