package load

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"strings"
	"syscall"
)

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

// freePorts returns the number of free local ports for connections from this machine. It is less than 0
// if that is not known.
func freePorts() int {
	var low, high int
	if !scan("/proc/sys/net/ipv4/ip_local_port_range", "", &low, &high) {
		return -1
	}
	free := high - low + 1
	var words [4]string
	var waiting int
	if !reusesPorts() && scan("/proc/net/sockstat", "TCP:", &words[0], &words[1], &words[2], &words[3], &words[0], &waiting) {
		free -= waiting
	}
	return max(free, 0)
}

// reusesPorts reports whether the system reuses ports in TIME_WAIT for local connections.
func reusesPorts() bool {
	var reuse int
	return scan("/proc/sys/net/ipv4/tcp_tw_reuse", "", &reuse) && reuse != 0
}

// scan reads the fields of the first line of a file that starts with prefix.
func scan(path, prefix string, fields ...any) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), prefix); ok {
			n, _ := fmt.Sscan(rest, fields...)
			return n == len(fields)
		}
	}
	return false
}
