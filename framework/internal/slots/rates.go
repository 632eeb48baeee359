package slots

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// A Rate is N in the time Per, which is also the burst.
type Rate struct {
	N   int
	Per time.Duration
}

// String returns the rate as in "200/s" or "20/10s".
func (r Rate) String() string {
	per := r.Per.String()
	for unit, name := range map[time.Duration]string{time.Hour: "h", time.Minute: "m", time.Second: "s"} {
		if n := r.Per / unit; n > 0 && n < 60 && r.Per%unit == 0 {
			if per = name; n > 1 {
				per = strconv.Itoa(int(n)) + name
			}
		}
	}
	return strconv.Itoa(r.N) + "/" + per
}

// cost returns the time that n take at the rate.
func (r Rate) cost(n int) int64 { return int64(n) * int64(r.Per) / int64(r.N) }

// A Bucket bounds a rate by one number (GCRA). Times are in nanoseconds of a clock that begins
// after 0. The zero value is ready.
type Bucket struct {
	mu  sync.Mutex
	due int64 // when the full burst is there again
}

// Try takes one, if there is one at now.
func (b *Bucket) Try(r Rate, now int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wait(r, now) > 0 {
		return false
	}
	b.due = max(b.due, now) + r.cost(1)
	return true
}

// Reserve takes one in any case, and returns how long it is until that is there.
func (b *Bucket) Reserve(r Rate, now int64) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	wait := b.wait(r, now)
	b.due = max(b.due, now) + r.cost(1)
	return wait
}

// Wait returns how long it is until there is one.
func (b *Bucket) Wait(r Rate, now int64) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wait(r, now)
}

func (b *Bucket) wait(r Rate, now int64) time.Duration {
	return max(0, time.Duration(max(b.due, now)+r.cost(1)-now)-r.Per)
}

const sets, ways = 8192, 8 // of 16 bytes each: 1 MiB

// Rates bounds what each source gets in a time. It keeps a fixed number of sources: a new one
// takes the place of the one that is nearest to having its full burst again. The zero value is
// ready.
type Rates struct {
	mu   sync.Mutex
	seed maphash.Seed
	sets *[sets][ways]bucket // nil: nothing yet
}

// bucket is the [Bucket] of one source.
type bucket struct {
	source uint64
	due    int64 // with the bit out while the source has a penalty, which ends a burst before due
}

const out = 1

// Allow reports whether a source may get n more at now, in nanoseconds of a clock that begins
// after 0. A source that has its full burst gets n however large it is, and pays for it. One that
// may not is refused for the penalty, whatever it does in that time.
func (r *Rates) Allow(k Key, n int, rate Rate, penalty time.Duration, now int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.make()
	return r.allow(r.hash(k), n, rate, penalty, now)
}

// AllowEqual is Allow, without a penalty, for what has come from an address and port and has a hash sum.
func (r *Rates) AllowEqual(from netip.AddrPort, sum uint64, n int, rate Rate, now int64) bool {
	ip, key := from.Addr().As16(), [26]byte{}
	copy(key[:], ip[:])
	binary.BigEndian.PutUint16(key[16:], from.Port())
	binary.BigEndian.PutUint64(key[18:], sum)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.make()
	return r.allow(maphash.Bytes(r.seed, key[:]), n, rate, 0, now)
}

func (r *Rates) make() {
	if r.sets == nil {
		r.seed, r.sets = maphash.MakeSeed(), new([sets][ways]bucket)
	}
}

func (r *Rates) allow(source uint64, n int, rate Rate, penalty time.Duration, now int64) bool {
	b := r.find(source)
	due, burst := b.due, int64(rate.Per)
	if due&out != 0 {
		if due &^= out; now < due-burst {
			return false
		}
		due -= int64(penalty) // what it has got back meanwhile
	}
	due = max(due, now)
	next := due + rate.cost(n)
	allowed := due == now || next <= now+burst
	switch {
	case allowed:
		b.due = next &^ out
	case penalty > 0:
		b.due = (now + burst + int64(penalty)) | out
	}
	return allowed
}

// find returns the bucket of a source.
func (r *Rates) find(source uint64) *bucket {
	set := &r.sets[source%sets]
	at := &set[0]
	for i := range set {
		if set[i].source == source {
			return &set[i]
		}
		if set[i].due < at.due {
			at = &set[i]
		}
	}
	*at = bucket{source: source}
	return at
}

func (r *Rates) hash(k Key) uint64 {
	if k.kind == network { // the usual one, and this is faster
		ip := k.prefix.Addr().As16()
		return maphash.Bytes(r.seed, ip[:])
	}
	return maphash.Comparable(r.seed, k)
}
