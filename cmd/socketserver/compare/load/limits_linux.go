package load

import (
	"fmt"
	"math"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	fewestDescriptors = 128 // of a server and its children at their start
	passing           = 32  // open for a moment only
	ofServer          = 64  // of any server, besides those of its clients and children
)

// Check reports whether this system has too few descriptors or ports for so many clients. Held and
// server are the descriptors that will be open besides the clients', in this process and in the
// server's, which has the same limit. The error says what to raise.
func (p Plan) Check(held, server int) error {
	open, limit := descriptors()
	each := 1
	if p.Rate > 0 { // each client has an alarm
		each = 2
	}
	needed := max(fewestDescriptors, open+held+each*p.Clients+passing, p.Clients+server+ofServer)
	if open >= 0 && needed > limit {
		return fmt.Errorf("a process needs %d descriptors with %d clients, and the limit is %d: raise it, as with ulimit -n %d, or use fewer clients",
			needed, p.Clients, limit, needed)
	}
	if ports, _ := freePorts(); (p.Network == "tcp" || p.Network == "udp") && ports >= 0 && ports < p.Clients {
		return fmt.Errorf("%d clients need as many local ports, and %d are free: use fewer clients, wait a minute or widen net.ipv4.ip_local_port_range",
			p.Clients, ports)
	}
	return nil
}

// ports bounds the connections that may leave their local port in TIME_WAIT. The system reuses such a
// port after a minute, or after a second.
type ports struct {
	burst  int64   // less than 0: no bound
	again  float64 // more per second
	start  time.Time
	closed atomic.Int64
}

func (p *ports) init(start time.Time) {
	free, reused := freePorts()
	switch {
	case free < 0:
		p.burst = -1
	case reused:
		p.burst = int64(free) * 2 / 5 // and as many in the first second
		p.again = float64(p.burst)
	default:
		p.burst = int64(free) / 2
	}
	p.start = start
}

// spare reports whether one more connection may leave its port in TIME_WAIT.
func (p *ports) spare(now time.Time) bool {
	return p.burst < 0 || p.closed.Add(1) <= p.burst+int64(p.again*now.Sub(p.start).Seconds())
}

// descriptors returns the number of open descriptors of this process and its limit. Both are less
// than 0 if they are not known.
func descriptors() (open, limit int) {
	var l syscall.Rlimit
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil || syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return -1, -1
	}
	return len(entries) - 1, int(min(l.Cur, math.MaxInt32)) // without that of the directory
}

// freePorts returns the number of free local ports for connections from this machine, less than 0 if it
// is not known, and reports whether the system reuses those in TIME_WAIT for local connections.
func freePorts() (free int, reused bool) {
	var low, high, reuse, waiting, other int
	if !scan("/proc/sys/net/ipv4/ip_local_port_range", "%d %d", &low, &high) {
		return -1, false
	}
	free = high - low + 1
	if scan("/proc/sys/net/ipv4/tcp_tw_reuse", "%d", &reuse) && reuse != 0 {
		return free, true
	}
	scan("/proc/net/sockstat", "sockets: used %d\nTCP: inuse %d orphan %d tw %d", &other, &other, &other, &waiting)
	return max(0, free-waiting), false
}

// scan reads the numbers at the start of a file, and reports whether they are there.
func scan(path, format string, numbers ...any) bool {
	content, _ := os.ReadFile(path)
	n, _ := fmt.Sscanf(string(content), format, numbers...)
	return n == len(numbers)
}
