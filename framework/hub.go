package framework

import "sync"

// maxBatch is how many bytes of messages wait in a hub until who sends more waits, too.
const maxBatch = 64 << 10

// A Hub delivers what one client says to many others. It is for handlers whose clients
// talk with each other: each request makes a [Member], which joins.
//
// What is sent while a delivery is under way becomes one batch, which all members share:
// each gets it by one write that does not wait. Only a member whose socket takes no more has
// a queue and a goroutine, so that it holds up nobody else. All members get messages in the
// same order, those that [Hub.Send] sends to one of them included. A hub that nobody sends
// to has no goroutine either.
//
// The zero value is ready for use. A hub must not be copied; its methods may be called by
// any goroutine.
type Hub struct {
	mu         sync.Mutex
	members    map[*Member]struct{}
	view       []*Member // the members as delivery last saw them
	changed    bool      // they are not the same any more
	filling    *batch
	spare      *batch
	delivering bool
	taken      chan struct{} // closed when filling is taken; nil: nobody waits for that
}

// Join lets m hear what is sent from now on. Hubs that m has joined deliver to it until it
// leaves them.
func (h *Hub) Join(m *Member) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.members == nil {
		h.members = map[*Member]struct{}{}
	}
	h.members[m] = struct{}{}
	h.changed = true
	if h.filling != nil && len(h.filling.entries) > 0 {
		h.filling.add(entry{to: m, joins: true}, nil)
	}
}

// Leave lets m hear no more. What was sent before and is not delivered yet may be lost to it.
func (h *Hub) Leave(m *Member) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.members, m)
	h.view, h.changed = nil, true // or it would keep m until the next delivery
}

// Broadcast sends a message to all members but from, which may be nil. It does not keep
// message. Where 64 KiB wait to be delivered it waits for that to begin, which no client can
// hold up.
func (h *Hub) Broadcast(from *Member, message []byte) {
	h.send(entry{from: from}, message)
}

// Send is Broadcast to one member alone. It comes in order with what is broadcast, which
// [Member.Send] does not. A member that has not joined gets nothing.
func (h *Hub) Send(to *Member, message []byte) {
	h.send(entry{to: to}, message)
}

func (h *Hub) send(e entry, message []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.filling != nil && h.filling.size() >= maxBatch {
		h.awaitTaken()
	}
	if h.filling == nil {
		h.filling, h.spare = h.spare, nil
		if h.filling == nil {
			h.filling = &batch{}
		}
	}
	h.filling.add(e, message)
	if !h.delivering {
		h.delivering = true
		go h.deliver()
	}
}

// awaitTaken waits with h.mu unlocked.
func (h *Hub) awaitTaken() {
	if h.taken == nil {
		h.taken = make(chan struct{})
	}
	taken := h.taken
	h.mu.Unlock()
	<-taken
	h.mu.Lock()
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
			if _, differs := b.special[m]; differs {
				m.deliver(b.of(m))
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
	if done != nil && h.spare == nil {
		done.clear()
		h.spare = done
	}
	b := h.filling
	if b == nil {
		h.delivering = false
		return nil, nil
	}
	h.filling = nil
	if h.taken != nil {
		close(h.taken)
		h.taken = nil
	}
	if h.changed {
		h.changed, h.view = false, h.view[:0]
		for m := range h.members {
			h.view = append(h.view, m)
		}
	}
	return b, h.view
}

// A batch is what is delivered at once. Nearly all members get the same bytes, shared; for
// the others, who have sent something in it, are sent something alone or have joined in the
// midst of it, the entries say what is theirs.
type batch struct {
	shared  []byte // what is for all
	ends    []int  // of the messages in shared
	private []byte // what is for one
	entries []entry
	special map[*Member]struct{}

	own     []byte // what of returned last
	ownEnds []int
}

// An entry is a message of a batch: shared[start:end], or private[start:end] if it is for
// one member. If joins is set it has none and says that the member hears only what follows.
type entry struct {
	from, to   *Member
	joins      bool
	start, end int
}

func (b *batch) size() int { return len(b.shared) + len(b.private) }

func (b *batch) add(e entry, message []byte) {
	if b.special == nil {
		b.special = map[*Member]struct{}{}
	}
	if e.to != nil {
		b.special[e.to] = struct{}{}
		e.start = len(b.private)
		b.private = append(b.private, message...)
		e.end = len(b.private)
	} else {
		if e.from != nil {
			b.special[e.from] = struct{}{}
		}
		e.start = len(b.shared)
		b.shared = append(b.shared, message...)
		e.end = len(b.shared)
		b.ends = append(b.ends, e.end)
	}
	b.entries = append(b.entries, e)
}

// of returns the messages for a member that is special, and their ends. They are valid
// until the next call.
func (b *batch) of(m *Member) (messages []byte, ends []int) {
	b.own, b.ownEnds = b.own[:0], b.ownEnds[:0]
	for _, e := range b.entries {
		switch {
		case e.joins && e.to == m:
			b.own, b.ownEnds = b.own[:0], b.ownEnds[:0]
			continue
		case e.joins, e.to != nil && e.to != m, e.to == nil && e.from == m:
			continue
		case e.to == m:
			b.own = append(b.own, b.private[e.start:e.end]...)
		default:
			b.own = append(b.own, b.shared[e.start:e.end]...)
		}
		b.ownEnds = append(b.ownEnds, len(b.own))
	}
	return b.own, b.ownEnds
}

// clear makes the batch ready for use again.
func (b *batch) clear() {
	clear(b.entries) // or it would keep members that have gone
	clear(b.special)
	b.shared, b.private, b.entries, b.ends = b.shared[:0], b.private[:0], b.entries[:0], b.ends[:0]
}
