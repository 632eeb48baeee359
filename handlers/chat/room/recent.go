package room

import "hash/maphash"

// remembered is the number of frames that a recent has at least, as many as wait for a server that is slow.
const remembered = 8192

var seed = maphash.MakeSeed() // which nobody else knows, so that no frame can be made that is taken for another

// recent is a set of the last frames. The zero value is ready.
type recent struct{ now, before map[uint64]struct{} }

// add adds a frame, and reports whether it was not there.
func (r *recent) add(frame []byte) bool {
	sum := maphash.Bytes(seed, frame)
	if _, is := r.now[sum]; is {
		return false
	}
	if _, is := r.before[sum]; is {
		return false
	}
	if r.now == nil || len(r.now) >= remembered {
		r.now, r.before = map[uint64]struct{}{}, r.now
	}
	r.now[sum] = struct{}{}
	return true
}
