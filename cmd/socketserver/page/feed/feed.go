package feed

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// A Source has what frames are made of.
type Source interface {
	// Begin begins to collect. clock turns a time into that of frames.
	Begin(clock func(time.Time) float64) Collector
}

// A Collector collects events until End. It is used by one goroutine at a time.
type Collector interface {
	// Collect returns the table, the events since the last call, and how many of these were lost.
	Collect() (rows []Row, events []Event, lost int)
	// Open returns the ids of the connections of a server that are under way, of the sample.
	Open(server string) []uint64
	// Rates returns those of the last minute of a server.
	Rates(server string) []float64
	// Recall returns the events that have led to what is there now, for a new reader.
	Recall() []Event
	End()
}

const (
	// Period is the time between two frames of a daemon.
	Period = 100 * time.Millisecond

	kept  = 64              // frames, for readers that come back
	ahead = 16              // frames that wait for a reader
	grace = 5 * time.Second // that the last reader has to come back
)

// A Feed makes frames for its readers.
type Feed struct {
	ReadOnly bool // that frames report

	source Source
	period time.Duration
	epoch  time.Time // when its clock began

	mu        sync.Mutex
	collector Collector // nil: no readers
	readers   map[*Reader]struct{}
	idle      time.Time     // when the last reader left
	stop      chan struct{} // closed to end run
	last      Frame
	recent    []message
}

// A message is a frame as readers get it.
type message struct {
	seq  uint64
	text []byte
}

// New returns a feed that makes a frame each period. Its clock began age ago.
func New(source Source, period, age time.Duration) *Feed {
	return &Feed{source: source, period: period, epoch: time.Now().Add(-age), readers: map[*Reader]struct{}{}}
}

// Epoch returns when the clock of the frames began.
func (f *Feed) Epoch() time.Time { return f.epoch }

// Clock returns the time of frames at a moment, to a tenth of a millisecond.
func (f *Feed) Clock(at time.Time) float64 {
	return math.Round(float64(at.Sub(f.epoch).Microseconds())/100) / 10
}

// A Reader gets the frames of a feed, in their order.
type Reader struct {
	feed   *Feed
	frames chan message
	lost   int // frames that it has missed since the last one that it got
}

// Read begins to read after the frame of a number. Where that is not known any more, as with 0, the
// first frame has what a page needs to begin with. The caller calls Close.
func (f *Feed) Read(after uint64) *Reader {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := &Reader{feed: f, frames: make(chan message, kept+ahead)}
	began := f.collector == nil
	if began {
		f.collector, f.stop = f.source.Begin(f.Clock), make(chan struct{})
		f.recent = nil
		f.step()
		go f.run(f.stop)
	}
	if at := slices.IndexFunc(f.recent, func(m message) bool { return m.seq == after }); at >= 0 && after > 0 {
		for _, m := range f.recent[at+1:] {
			r.frames <- m
		}
	} else {
		r.frames <- encode(f.first())
	}
	f.readers[r] = struct{}{}
	return r
}

// Close ends reading.
func (r *Reader) Close() {
	r.feed.mu.Lock()
	defer r.feed.mu.Unlock()
	delete(r.feed.readers, r)
	r.feed.idle = time.Now()
}

// run makes frames until there has been no reader for a while.
func (f *Feed) run(stop chan struct{}) {
	tick := time.NewTicker(f.period)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-stop:
			return
		}
		f.mu.Lock()
		switch {
		case f.stop != stop:
		case len(f.readers) == 0 && time.Since(f.idle) > grace:
			f.end()
		default:
			f.step()
		}
		f.mu.Unlock()
	}
}

// end stops collecting. f.mu is held.
func (f *Feed) end() {
	f.collector.End()
	f.collector = nil
	close(f.stop)
	f.stop = nil
}

// Close ends the feed. Nobody reads any more.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.collector != nil {
		f.end()
	}
}

// step makes a frame for every reader. f.mu is held.
func (f *Feed) step() {
	rows, events, lost := f.collector.Collect()
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.T, b.T) })
	next := Frame{V: 1, Seq: f.last.Seq + 1, Readonly: f.ReadOnly, T: max(f.Clock(time.Now()), f.last.T), Servers: rows, Events: events}
	for i := range events { // one that is made between the two readings of the clock
		events[i].T = min(events[i].T, next.T)
	}
	if lost > 0 {
		next.Lost, next.Servers = 1, f.open(rows)
	}
	f.last = next
	m := encode(next)
	f.recent = append(f.recent, m)
	if len(f.recent) > kept {
		f.recent = slices.Delete(f.recent, 0, len(f.recent)-kept)
	}
	for r := range f.readers {
		r.give(m)
	}
}

// give passes on a frame, unless the reader is too far behind. The feed's mutex is held.
func (r *Reader) give(m message) {
	if r.lost > 0 && len(r.frames) < ahead {
		own := r.feed.last
		own.Lost += r.lost
		own.Servers = r.feed.open(own.Servers)
		m = encode(own)
	}
	if len(r.frames) >= ahead {
		r.lost++
		return
	}
	r.lost = 0
	r.frames <- m
}

// open returns rows with the connections that are under way. f.mu is held.
func (f *Feed) open(rows []Row) []Row {
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i].Open = append([]uint64{}, f.collector.Open(rows[i].Name)...)
	}
	return rows
}

// first returns the latest frame as a new reader needs it. f.mu is held.
func (f *Feed) first() Frame {
	frame := f.last
	frame.Servers = f.open(frame.Servers)
	for i := range frame.Servers {
		frame.Servers[i].Rates = f.collector.Rates(frame.Servers[i].Name)
	}
	frame.Events = f.collector.Recall()
	for i := range frame.Events {
		frame.Events[i].T = min(frame.Events[i].T, frame.T)
	}
	slices.SortStableFunc(frame.Events, func(a, b Event) int { return cmp.Compare(a.T, b.T) })
	return frame
}

// encode returns a frame as server-sent events have it.
func encode(f Frame) message {
	if f.Events == nil {
		f.Events = []Event{}
	}
	text, _ := json.Marshal(f) // of numbers and text
	return message{f.Seq, fmt.Appendf(nil, "id: %d\nevent: frame\ndata: %s\n\n", f.Seq, text)}
}
