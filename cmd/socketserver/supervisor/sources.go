package supervisor

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/framework"
)

// A SourceCounts is what one source has of a server: an address, a /64 of IPv6 or a user.
type SourceCounts struct {
	Server  string                      `json:"server"`
	Source  string                      `json:"source"`
	Active  int                         `json:"active"`  // requests under way
	Refused map[framework.Refusal]int64 `json:"refused"` // by reason
	Last    *time.Time                  `json:"last"`    // when it was refused last; null: it was not
}

func (c *SourceCounts) refused() (n int64) {
	for _, one := range c.Refused {
		n += one
	}
	return n
}

// maxRefused is the number of sources of which refusals are counted. When there are more, the one that
// was refused least gives its place to the next: one that is refused often stays.
const maxRefused = 256

// refusedSources counts refusals by source. Any goroutine may use it.
type refusedSources struct {
	mu  sync.Mutex
	at  map[framework.Source]int
	all []refusedSource
}

type refusedSource struct {
	from   framework.Source
	total  int64 // of this source and those whose place it has
	last   time.Time
	counts [len(framework.Refusals)]int64
}

func (s *refusedSources) add(from framework.Source, why int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.at[from]
	switch {
	case known:
	case len(s.all) < maxRefused:
		i, s.all = len(s.all), append(s.all, refusedSource{from: from})
	default:
		for n := range s.all {
			if s.all[n].total < s.all[i].total {
				i = n
			}
		}
		delete(s.at, s.all[i].from)
		s.all[i] = refusedSource{from: from, total: s.all[i].total}
	}
	if s.at == nil {
		s.at = map[framework.Source]int{}
	}
	s.at[from] = i
	s.all[i].total++
	s.all[i].counts[why]++
	s.all[i].last = time.Now()
}

// Sources returns what the sources of one server, or of all if name is empty, have: those that were
// refused most first, then those with the most requests under way.
func (s *Supervisor) Sources(name string) []SourceCounts {
	type key struct {
		server string
		from   framework.Source
	}
	all := map[key]*SourceCounts{}
	of := func(server string, from framework.Source) *SourceCounts {
		k := key{server, from}
		if all[k] == nil {
			all[k] = &SourceCounts{Server: server, Source: from.String(), Refused: map[framework.Refusal]int64{}}
		}
		return all[k]
	}
	counted := map[*Counters]bool{}
	for _, i := range s.all() {
		if name != "" && i.name != name {
			continue
		}
		for from, n := range i.requests.sources() {
			of(i.name, from).Active += n
		}
		if !counted[i.counters] {
			counted[i.counters] = true
			i.counters.sources.each(func(r refusedSource) {
				c := of(i.name, r.from)
				c.Last = &r.last
				for n, count := range r.counts {
					if count > 0 {
						c.Refused[framework.Refusals[n]] = count
					}
				}
			})
		}
	}
	sorted := slices.SortedFunc(maps.Values(all), func(a, b *SourceCounts) int {
		return cmp.Or(cmp.Compare(b.refused(), a.refused()), cmp.Compare(b.Active, a.Active), cmp.Compare(a.Server, b.Server), cmp.Compare(a.Source, b.Source))
	})
	sources := make([]SourceCounts, len(sorted))
	for i, c := range sorted {
		sources[i] = *c
	}
	return sources
}

func (s *refusedSources) each(do func(refusedSource)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.all {
		do(r)
	}
}

// sources returns the number of requests under way of each source.
func (q *requests) sources() map[framework.Source]int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := map[framework.Source]int{}
	for r := range q.open {
		n[r.Source()]++
	}
	return n
}
