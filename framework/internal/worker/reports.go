package worker

import "sync"

// Reports are the requests that processes have said to have begun, each by a number of its process, until
// they are over. The number of a process itself does not tell it from a later one. The zero value has none.
type Reports[R any] struct {
	mu   sync.Mutex
	open map[*Process]map[uint64]R
}

// maxReports bounds the requests of one process: one that reports without end fills no memory.
const maxReports = 1 << 17

// Open adds a request, unless its process has one of that number, or too many.
func (r *Reports[R]) Open(p *Process, number uint64, request R) (ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.open[p]
	if _, twice := of[number]; twice || len(of) >= maxReports {
		return false
	}
	if of == nil {
		of = map[uint64]R{}
		if r.open == nil {
			r.open = map[*Process]map[uint64]R{}
		}
		r.open[p] = of
	}
	of[number] = request
	return true
}

// Close removes a request and returns it.
func (r *Reports[R]) Close(p *Process, number uint64) (request R, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	request, ok = r.open[p][number]
	delete(r.open[p], number)
	return request, ok
}

// Leave removes those of a process, which reports no more, and returns them.
func (r *Reports[R]) Leave(p *Process) (requests []R) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.open[p] {
		requests = append(requests, request)
	}
	delete(r.open, p)
	return requests
}
