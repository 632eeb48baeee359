package room

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
)

// A line is a message to a room.
type line struct {
	from     string // the server; empty: there is no bus
	number   uint64 // of what that server has said
	sequence uint64 // in the history of all servers; 0: it is not there
	text     []byte

	overtaken int // lines that were stored meanwhile
}

// maxPast bounds what a newcomer receives of a history, in bytes: it may wait for each client beside its queue.
const maxPast = 64 << 10

// A history is the last lines of a room, first those that all servers have in their order, then those that this
// server alone knows yet. There are at most so many of each as newcomers receive, and maxPast bytes.
type history struct {
	kept, pending []line
	cut           bool // lines were left out for their bytes
}

// add adds a line that the users here receive now.
func (h *history) add(l line, most int) {
	l.text = bytes.Clone(l.text)
	h.pending = h.last(append(h.pending, l), most)
}

// store adds a line of the history of all servers. Those that the same server said before are never stored, as
// that would have happened by now: they stay in front of it. Nor is one that so many others
// have overtaken.
func (h *history) store(l line, most int) {
	var all []line
	for i := range h.pending {
		h.pending[i].overtaken++
	}
	h.pending = slices.DeleteFunc(h.pending, func(p line) bool {
		is := p.from == l.from && p.number <= l.number
		if is && p.number < l.number {
			p.sequence = l.sequence
			all = append(all, p)
		}
		return is || p.overtaken >= most
	})
	at, found := slices.BinarySearchFunc(h.kept, l.sequence, func(k line, sequence uint64) int { return cmp.Compare(k.sequence, sequence) })
	if !found {
		h.kept = h.last(slices.Insert(h.kept, at, append(all, l)...), most)
	}
}

// last removes all but the last lines, of which at least one is left.
func (h *history) last(lines []line, most int) []line {
	first, size := len(lines), 0
	for first > 0 && len(lines)-first < most {
		size += len(lines[first-1].text)
		if size > maxPast && first < len(lines) {
			h.cut = true
			break
		}
		first--
	}
	return slices.Delete(lines, 0, first)
}

const cutText = "-- earlier messages are left out\n"

// text returns the last lines, and says where more are left out for their bytes than for their number.
func (h *history) text(most int) (all []byte) {
	lines := h.last(slices.Concat(h.kept, h.pending), most)
	if h.cut && len(lines) < most {
		all = append(all, cutText...)
	}
	for _, l := range lines {
		all = append(all, l.text...)
	}
	return all
}

// stored handles what has been added to the history of all servers.
func (l *link) stored(s cluster.Stored) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.parse(s.Frame); f != nil && l.isOpen {
		l.hear(f, s.Frame)
		l.keep(s.Sequence, f)
	}
}

// keep adds a line to the history of its room, if that is open.
func (l *link) keep(sequence uint64, f *cluster.Frame) {
	in := l.rooms.find(f.Room)
	if in == nil {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.history.store(line{from: f.From, number: f.Number, sequence: sequence, text: f.Text}, l.rooms.options.History)
}

// recall reads the history of a room from the bus, unless that has been done since it was linked. Of newcomers that come
// meanwhile the others wait for the first.
func (l *link) recall(in *room) {
	if l == nil || l.rooms.options.History == 0 {
		return
	}
	in.mu.Lock()
	if in.unlinked || in.recalled {
		in.mu.Unlock()
		return
	}
	if done := in.recalling; done != nil {
		in.mu.Unlock()
		<-done
		return
	}
	done := make(chan struct{})
	in.recalling = done
	in.mu.Unlock()
	past, err := l.bus.History(token(in.name))
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range past {
		if f := l.parse(s.Frame); f != nil {
			l.keep(s.Sequence, f)
		}
	}
	if err != nil {
		l.warnOnce("the history of a room cannot be read; newcomers do not receive it", "error", err)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.recalled = err == nil && !in.unlinked
	in.recalling = nil
	close(done)
}
