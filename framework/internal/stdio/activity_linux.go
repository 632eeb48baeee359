package stdio

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The states of a TCP connection that matter here.
const (
	tcpFinWait1  = 4 // the program has ended its output
	tcpFinWait2  = 5 // the same, and the client knows
	tcpTimeWait  = 6 // both sides have ended
	tcpClose     = 7 // nothing is left of it: the client has reset it, or both sides are done
	tcpCloseWait = 8 // the client has sent its end
	tcpLastAck   = 9 // both sides have ended
	tcpClosing   = 11
)

// tcpInfo returns what the system knows of a TCP connection; nil: it is none.
func (s socket) tcpInfo() (info *unix.TCPInfo) {
	_ = s.raw.Control(func(fd uintptr) {
		if i, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			info = i
		}
	})
	return info
}

// bytes returns the number of bytes from the client and to it; -1: the system does not count them.
func (s socket) bytes() (in, out int64) {
	info := s.tcpInfo()
	if info == nil {
		return -1, -1
	}
	in, out = int64(info.Bytes_received), int64(info.Bytes_acked)+s.queued(unix.TIOCOUTQ)
	switch info.State { // an end counts as one
	case tcpCloseWait:
		in--
	case tcpFinWait1, tcpFinWait2:
		out--
	case tcpTimeWait, tcpLastAck, tcpClosing:
		in, out = in-1, out-1
	}
	return in, out
}

// queued returns how many bytes one of the socket's queues holds.
func (s socket) queued(queue uint) (n int64) {
	_ = s.raw.Control(func(fd uintptr) {
		if queued, err := unix.IoctlGetInt(int(fd), queue); err == nil {
			n = int64(queued)
		}
	})
	return n
}

// taken returns how many of the bytes from the client have been read, such as those of a PROXY header. None
// is read meanwhile, but more may arrive between two looks.
func (s socket) taken() int64 {
	for in, _ := s.bytes(); ; {
		unread := s.queued(unix.TIOCINQ)
		again, _ := s.bytes()
		if again == in {
			return max(in-unread, 0)
		}
		in = again
	}
}

// isGone reports whether no client is left: it has reset the connection, or closed it so that
// nothing can be sent to it.
func (s socket) isGone() (gone bool) {
	if info := s.tcpInfo(); info != nil {
		return info.State == tcpClose
	}
	_ = s.raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd)}}
		_, _ = unix.Poll(poll, 0)
		gone = poll[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
	})
	return gone
}

// An activity measures for how long no byte has moved on a connection, whoever reads and writes
// it. Only TCP counts bytes; else what counts is what the program and those that it started have
// read and written at all.
type activity struct {
	idle   time.Duration // how long none may move; 0: for ever
	every  time.Duration // the longest time between two looks
	socket *socket       // nil: there is no connection
	pid    int
	moved  uint64    // at the last look
	since  time.Time // none has moved, as far as is known
}

func newActivity(s *socket, pid int, idle time.Duration) *activity {
	a := &activity{idle: idle, every: idle, socket: s, pid: pid, since: time.Now()}
	if idle > 0 && s != nil && s.tcpInfo() == nil {
		a.every /= 4 // as when bytes moved is not known
	}
	return a
}

// next returns the time until the connection may have been idle for too long, or 0 if it has.
func (a *activity) next() time.Duration {
	now := time.Now()
	if a.socket != nil {
		moved, quiet := a.look()
		if moved != a.moved {
			a.moved, a.since = moved, now.Add(-min(quiet, now.Sub(a.since)))
		}
	}
	return min(max(a.idle-now.Sub(a.since), 0), a.every)
}

// look returns the number of bytes that have moved, and the time since the last one, 0 where that
// is not known.
func (a *activity) look() (moved uint64, quiet time.Duration) {
	info := a.socket.tcpInfo()
	if info == nil {
		return bytesOf(a.pid), 0
	}
	return info.Bytes_received + info.Bytes_acked, time.Duration(min(info.Last_data_recv, info.Last_data_sent)) * time.Millisecond
}

// bytesOf returns the number of bytes that a process has read and written, and its descendants.
func bytesOf(pid int) (n uint64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	for line := range bytes.Lines(text) {
		var value uint64
		if name, number, ok := strings.Cut(string(line), ": "); ok && (name == "rchar" || name == "wchar") {
			_, _ = fmt.Sscan(number, &value)
			n += value
		}
	}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	for _, child := range strings.Fields(string(children)) {
		var number int
		if _, err := fmt.Sscan(child, &number); err == nil {
			n += bytesOf(number)
		}
	}
	return n
}
