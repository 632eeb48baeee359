package slots

import (
	"hash/maphash"
	"net"
	"sync"
	"time"
)

const sets, ways = 4096, 8 // of 16 bytes each: 512 KiB

// Rates bounds what each source gets in a second, as [Sources] knows them; a client of a Unix
// socket is one by its name. It keeps a fixed number of sources: a new one takes the place of
// the one that is nearest to having its full burst again. The zero value is ready.
type Rates struct {
	mu   sync.Mutex
	seed maphash.Seed
	sets *[sets][ways]rate // nil: nothing yet
}

// rate is a token bucket in one number (GCRA).
type rate struct {
	source uint64
	due    int64 // when the source has its full burst again, on the clock of now
}

// Allow reports whether a may get n more at now, in nanoseconds of a clock that begins after 0,
// at a rate of perSecond with a burst of one second. A source that has its full burst gets n
// however large it is, and pays for it.
func (r *Rates) Allow(a net.Addr, n, perSecond int, now int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sets == nil {
		r.seed, r.sets = maphash.MakeSeed(), new([sets][ways]rate)
	}
	source := r.hash(a)
	set := &r.sets[source%sets]
	at := &set[0]
	for i := range set {
		if set[i].source == source {
			at = &set[i]
			break
		}
		if set[i].due < at.due {
			at = &set[i]
		}
	}
	if at.source != source {
		*at = rate{source: source}
	}
	due := max(at.due, now)
	next := due + int64(n)*int64(time.Second)/int64(perSecond)
	if due > now && next > now+int64(time.Second) {
		return false
	}
	at.due = next
	return true
}

func (r *Rates) hash(a net.Addr) uint64 {
	if prefix := prefixOf(a); prefix.IsValid() {
		ip := prefix.Addr().As16()
		return maphash.Bytes(r.seed, ip[:])
	}
	return maphash.String(r.seed, a.String())
}
