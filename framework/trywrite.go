package framework

import (
	"errors"
	"syscall"
)

// TryWrite writes what the connection takes without waiting, after all that was written to
// wfile, and returns the number of bytes. If that is less than len(p) the client does not read
// fast enough, or wfile is in use or has something in its buffer: write the rest to wfile,
// which waits. Any goroutine may call it until the handler's Finish returns; it allocates
// nothing after the first call. A datagram has no connection, so that it is an error there.
func (r *Request) TryWrite(p []byte) (int, error) {
	s, ok := r.files.(*stream)
	if !ok {
		return 0, errors.New("framework: TryWrite is for connections; write to wfile")
	}
	return s.tryWrite(p)
}

func (s *stream) tryWrite(p []byte) (int, error) {
	if !s.mu.TryLock() {
		return 0, nil // a Write waits for the client
	}
	n, err := s.tryWriteLocked(p)
	s.mu.Unlock()
	s.settle()
	return n, err
}

func (s *stream) tryWriteLocked(p []byte) (int, error) {
	if s.closed {
		return 0, errOver
	}
	if s.direct == nil {
		s.direct = &socketWriter{}
		if c, ok := s.conn.(syscall.Conn); ok {
			s.direct.open(c)
		}
	}
	if s.err != nil || s.buf != nil || !s.direct.ready() {
		return 0, s.err
	}
	n, err := s.direct.write(p)
	s.room -= n
	if s.clock.timeouts.Idle > 0 {
		s.clock.active()
	}
	s.err = peerError(err)
	return n, s.err
}
