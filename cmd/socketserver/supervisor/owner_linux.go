package supervisor

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const stateListen = "0A" // of a TCP socket in /proc/net/tcp

// socketOwner names a process that has bound the port of address; empty if this user may not
// see it.
func socketOwner(network, address string) string {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return ""
	}
	inodes := map[string]bool{}
	for _, family := range []string{"", "6"} {
		for _, inode := range boundSockets("/proc/net/"+network+family, at.Port(), network == "tcp") {
			inodes["socket:["+inode+"]"] = true
		}
	}
	if len(inodes) == 0 {
		return ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && inodes[to] {
			pid := strings.Split(link, "/")[2]
			if pid == strconv.Itoa(os.Getpid()) {
				return thisProcess
			}
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf("process %s (%s)", pid, strings.TrimSpace(string(name)))
		}
	}
	return ""
}

// clientPorts returns the range of ports from which the system chooses those of clients, and reports
// whether that of address is one of them.
func clientPorts(network, address string) (low, high int, inside bool) {
	at, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp" && network != "udp" {
		return 0, 0, false
	}
	span, _ := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	_, err = fmt.Sscan(string(span), &low, &high)
	return low, high, err == nil && low <= int(at.Port()) && int(at.Port()) <= high
}

// boundSockets returns the inodes of the sockets in a table of the kernel that have port.
func boundSockets(table string, port uint16, listening bool) []string {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer f.Close()
	var inodes []string
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || !strings.HasSuffix(fields[1], suffix) {
			continue
		}
		if !listening || fields[3] == stateListen {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
}
