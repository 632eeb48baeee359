// Package hub broadcasts the messages of each client to many others.
package hub

import (
	"slices"
	"sync"
)

// maxBatch is the number of queued bytes at which Broadcast blocks.
const maxBatch = 64 << 10

// A Hub broadcasts messages to its members. It is for handlers whose clients talk with each
// other: each request makes a [Member], which joins.
//
// Messages that are sent during a delivery become one batch, which all members share: each gets
// it by one write that does not block. Only a member whose socket takes no more has a queue and
// a goroutine, so that it delays no other. All members get messages in the same order, including
// those that [Hub.Send] sends to one of them. An idle hub has no goroutine.
//
// The zero value is ready for use. A hub must not be copied; its methods may be called by
// any goroutine.
type Hub struct {
	mu         sync.Mutex
	members    map[*Member]struct{}
	view       []*Member // the members as delivery last saw them
	changed    bool      // since then
	filling    *batch
	spare      *batch
	delivering bool
	taken      sync.Cond // filling has been taken
}

// Join adds m, which receives what is sent from now on until it leaves.
func (h *Hub) Join(m *Member) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.members == nil {
		h.members = map[*Member]struct{}{}
	}
	if h.filling != nil {
		h.add(entry{kind: joins, to: m}, nil)
	}
	h.members[m] = struct{}{}
	h.changed = true
}

// Leave removes m. It waits until what was sent before has been delivered, which no client can
// delay.
func (h *Hub) Leave(m *Member) {
	h.mu.Lock()
	if _, joined := h.members[m]; !joined {
		h.mu.Unlock()
		return
	}
	var done chan struct{}
	if h.delivering {
		b := h.add(entry{kind: leaves, to: m}, nil)
		if b.done == nil {
			b.done = make(chan struct{})
		}
		done = b.done
	}
	delete(h.members, m)
	h.view, h.changed = nil, true // or it would keep m until the next delivery
	h.mu.Unlock()
	if done != nil {
		<-done
	}
}

// Broadcast sends a message to all members but from, which may be nil. It does not keep
// message. With 64 KiB queued it blocks until their delivery begins, which no client can delay.
func (h *Hub) Broadcast(from *Member, message []byte) {
	h.send(entry{kind: broadcast, from: from}, message)
}

// Send sends a message to one member alone, which need not have joined, in order with what is
// broadcast. What [Member.Send] sends may overtake that.
func (h *Hub) Send(to *Member, message []byte) {
	h.send(entry{kind: alone, to: to}, message)
}

func (h *Hub) send(e entry, message []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken.L = &h.mu
	for h.filling != nil && h.filling.size() >= maxBatch {
		h.taken.Wait()
	}
	h.add(e, message)
	if !h.delivering {
		h.delivering = true
		go h.deliver()
	}
}

// add adds an entry to the batch that is being filled, and returns that. Members change
// after it.
func (h *Hub) add(e entry, message []byte) *batch {
	if h.filling == nil {
		h.filling, h.spare = h.spare, nil
		if h.filling == nil {
			h.filling = &batch{special: map[*Member]bool{}}
		}
	}
	b := h.filling
	for _, m := range []*Member{e.from, e.to} {
		if _, known := b.special[m]; m != nil && !known {
			_, b.special[m] = h.members[m]
		}
	}
	b.add(e, message)
	return b
}

// deliver runs until nothing is left to be delivered.
func (h *Hub) deliver() {
	var done *batch
	for {
		b, members := h.next(done)
		if b == nil {
			return
		}
		for _, m := range members {
			if hears, differs := b.special[m]; differs {
				m.deliver(b.of(m, hears))
				continue
			}
			m.deliver(b.shared, b.ends)
		}
		done = b
	}
}

// next takes what has been sent meanwhile, and keeps done for what comes after it.
func (h *Hub) next(done *batch) (*batch, []*Member) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if done != nil {
		done.clear()
		h.spare = done
	}
	b := h.filling
	if b == nil {
		h.delivering = false
		return nil, nil
	}
	h.filling = nil
	h.taken.Broadcast()
	if h.changed {
		h.changed, h.view = false, h.view[:0]
		for m := range h.members {
			h.view = append(h.view, m)
		}
	}
	joined := len(h.view)
	for _, e := range b.entries { // receivers that are not members, or no longer
		if _, member := h.members[e.to]; !member && e.to != nil && !slices.Contains(h.view[joined:], e.to) {
			h.view, h.changed = append(h.view, e.to), true
		}
	}
	return b, h.view
}

// A batch is what is delivered at once. Nearly all members get the same bytes, shared. Members
// that have sent a message in it, receive one alone, join or leave get a selection by the entries.
type batch struct {
	shared  []byte // what is for all
	ends    []int  // of the messages in shared
	private []byte // what is for one
	entries []entry
	special map[*Member]bool // whether they were members when it began
	done    chan struct{}    // closed when it has been delivered; nil: no Leave waits

	own     []byte // what of returned last
	ownEnds []int
}

type entryKind int

const (
	broadcast entryKind = iota // shared[start:end], for all but from
	alone                      // private[start:end], for to
	joins                      // to is a member for what follows
	leaves                     // and no more
)

type entry struct {
	kind       entryKind
	from, to   *Member
	start, end int
}

func (b *batch) size() int { return len(b.shared) + len(b.private) }

func (b *batch) add(e entry, message []byte) {
	switch e.kind {
	case broadcast:
		e.start = len(b.shared)
		b.shared = append(b.shared, message...)
		e.end = len(b.shared)
		b.ends = append(b.ends, e.end)
	case alone:
		e.start = len(b.private)
		b.private = append(b.private, message...)
		e.end = len(b.private)
	}
	b.entries = append(b.entries, e)
}

// of returns the messages for a member that is special, and their ends. They are valid
// until the next call.
func (b *batch) of(m *Member, hears bool) (messages []byte, ends []int) {
	b.own, b.ownEnds = b.own[:0], b.ownEnds[:0]
	for _, e := range b.entries {
		switch {
		case e.kind == joins && e.to == m:
			hears = true
		case e.kind == leaves && e.to == m:
			hears = false
		case e.kind == broadcast && e.from != m && hears:
			b.own = append(b.own, b.shared[e.start:e.end]...)
			b.ownEnds = append(b.ownEnds, len(b.own))
		case e.kind == alone && e.to == m:
			b.own = append(b.own, b.private[e.start:e.end]...)
			b.ownEnds = append(b.ownEnds, len(b.own))
		}
	}
	return b.own, b.ownEnds
}

// clear makes the batch ready for use again.
func (b *batch) clear() {
	if b.done != nil {
		close(b.done)
	}
	clear(b.entries) // or it would keep members that have gone
	clear(b.special)
	b.shared, b.private, b.entries, b.ends, b.done = b.shared[:0], b.private[:0], b.entries[:0], b.ends[:0], nil
}
