package worker

import "sync"

// Reports are the requests that processes have said to have begun, each by a number of its process, until
// they are over. The zero value has none.
type Reports[R any] struct {
	mu   sync.Mutex
	open map[int]map[uint64]R // by the process id
}

// maxReports bounds the requests of one process: one that reports without end fills no memory.
const maxReports = 1 << 17

// Open adds a request, unless its process has one of that number, or too many.
func (r *Reports[R]) Open(pid int, number uint64, request R) (ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.open[pid]
	if _, twice := of[number]; twice || len(of) >= maxReports {
		return false
	}
	if of == nil {
		of = map[uint64]R{}
		if r.open == nil {
			r.open = map[int]map[uint64]R{}
		}
		r.open[pid] = of
	}
	of[number] = request
	return true
}

// Close removes a request and returns it.
func (r *Reports[R]) Close(pid int, number uint64) (request R, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	request, ok = r.open[pid][number]
	delete(r.open[pid], number)
	return request, ok
}

// Leave removes those of a process, which has gone, and returns them.
func (r *Reports[R]) Leave(pid int) (requests []R) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.open[pid] {
		requests = append(requests, request)
	}
	delete(r.open, pid)
	return requests
}
