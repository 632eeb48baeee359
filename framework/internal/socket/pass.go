package socket

import (
	"errors"
	"os"
	"syscall"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// Files returns descriptors for another process, which the caller closes: of the socket, and of
// the lock of its file; nil: it has no file, or another process has that.
func (k *Kept) Files() (socket, lock *os.File, err error) {
	d, err := k.duplicate()
	if err != nil {
		return nil, nil, err
	}
	socket = d.File()
	if held := k.file.held(); held != nil {
		if lock, err = duplicateFile(held); err != nil {
			return nil, nil, errors.Join(err, socket.Close())
		}
	}
	return socket, lock, nil
}

func duplicateFile(f syscall.Conn) (*os.File, error) {
	d, err := handoff.Duplicate(f)
	if err != nil {
		return nil, err
	}
	return d.File(), nil
}

// Disown leaves the socket to another process, which has the lock, too: from then on nothing is done to
// what both have, its file and whether clients are refused.
func (k *Kept) Disown() error {
	k.owning.Lock()
	defer k.owning.Unlock()
	k.theirs = true
	lock := k.file.held()
	k.file = nil
	if lock == nil {
		return nil
	}
	return lock.Close()
}

// Own is called when the other process has disowned the socket. From then on the lock belongs to k,
// and Close removes the file; nil: the socket has no file, or that is another's.
func (k *Kept) Own(lock *os.File) {
	k.owning.Lock()
	defer k.owning.Unlock()
	k.theirs = false
	if lock != nil {
		k.file = owned(k.address.String(), lock)
	}
}
