package socket

import "golang.org/x/sys/unix"

const listening = 10 // TCP_LISTEN

// Waiting returns the number of clients in the system's queue, and how many it holds at most. Only a
// listening TCP socket knows.
func (k *Kept) Waiting() (waiting, backlog int) {
	if k.network != "tcp" || k.descriptor == nil {
		return 0, 0
	}
	_ = k.control("getsockopt", func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.SOL_TCP, unix.TCP_INFO)
		if err == nil && info.State == listening { // these two fields are its queue then
			waiting, backlog = int(info.Unacked), int(info.Sacked)
		}
		return err
	})
	return waiting, backlog
}
