// Package journal passes records from one process to another through memory that both have mapped.
// A record costs neither a system call nor a wake-up, and outlives the writer, however that ends.
//
// The memory is a page with the positions, and a ring of bytes: each record is its length in four
// bytes, big-endian, and its bytes, and may go round the end of the ring.
package journal

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"unsafe"
)

const (
	header   = 4096
	capacity = 256 << 10 // bytes of the ring
	prefix   = 4         // bytes of a record's length
)

// positions are at the beginning of the memory, each in a cache line of its own.
type positions struct {
	written atomic.Uint64 // bytes, by the writer
	_       [56]byte
	read    atomic.Uint64 // bytes, by the reader
	_       [56]byte
	asleep  atomic.Uint32 // the reader wants to be woken
}

// memory is what the two processes share.
type memory []byte

func (m memory) positions() *positions { return (*positions)(unsafe.Pointer(&m[0])) }

// copyIn copies p to a position of the ring, and copyOut from it.
func (m memory) copyIn(at uint64, p []byte) {
	n := copy(m[header+at%capacity:], p)
	copy(m[header:], p[n:])
}

func (m memory) copyOut(p []byte, at uint64) {
	n := copy(p, m[header+at%capacity:])
	copy(p[n:], m[header:])
}

// A Writer appends records. Any goroutine may use it.
type Writer struct {
	mu     sync.Mutex
	memory memory
}

// Append appends a record. ok is false where there is no room for it until the reader has read.
// With wake the reader is asleep, and the caller, who alone is told so, has to wake it.
func (w *Writer) Append(record []byte) (wake, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.memory.positions()
	at, size := p.written.Load(), uint64(prefix+len(record))
	if size > capacity-(at-p.read.Load()) {
		return false, false
	}
	var length [prefix]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(record)))
	w.memory.copyIn(at, length[:])
	w.memory.copyIn(at+prefix, record)
	p.written.Store(at + size)
	return p.asleep.Load() == 1 && p.asleep.CompareAndSwap(1, 0), true
}

// A Reader reads what a Writer has appended. One goroutine at a time uses it.
type Reader struct {
	memory memory
	record []byte
}

// ErrCorrupt means that the writer does not keep to the form.
var ErrCorrupt = errors.New("the journal is corrupt")

// Read passes each record to do, which must not keep it, and returns their number.
func (r *Reader) Read(do func(record []byte) error) (n int, err error) {
	p := r.memory.positions()
	at, end := p.read.Load(), p.written.Load()
	if end-at > capacity {
		return 0, ErrCorrupt
	}
	for ; at < end && err == nil; n++ {
		var length [prefix]byte
		r.memory.copyOut(length[:], at)
		size := uint64(binary.BigEndian.Uint32(length[:]))
		if prefix+size > end-at {
			return n, ErrCorrupt
		}
		r.record = append(r.record[:0], make([]byte, size)...)
		r.memory.copyOut(r.record, at+prefix)
		at += prefix + size
		p.read.Store(at)
		err = do(r.record)
	}
	return n, err
}

// Sleep has the writer wake the reader for the next record. It reports false where there is one
// already, and the reader has to read it.
func (r *Reader) Sleep() bool {
	p := r.memory.positions()
	p.asleep.Store(1)
	return p.written.Load() == p.read.Load() || !p.asleep.CompareAndSwap(1, 0)
}
