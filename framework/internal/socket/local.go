package socket

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// local has the addresses of the UDP sockets that this process serves, by their port. A datagram
// that comes from one was forged, or is the answer to one that was: two servers would answer each
// other for ever.
var local struct {
	mu    sync.Mutex
	ports atomic.Pointer[map[uint16][]netip.Addr] // never changed, only replaced
}

// Local returns the addresses of the UDP sockets that this process serves.
func Local() (all []netip.AddrPort) {
	if ports := local.ports.Load(); ports != nil {
		for port, ips := range *ports {
			for _, ip := range ips {
				all = append(all, netip.AddrPortFrom(ip, port))
			}
		}
	}
	return all
}

// setLocal adds addresses, or removes them, each as often as it was added.
func setLocal(all []netip.AddrPort, open bool) {
	local.mu.Lock()
	defer local.mu.Unlock()
	ports := map[uint16][]netip.Addr{}
	for _, a := range Local() {
		ports[a.Port()] = append(ports[a.Port()], a.Addr())
	}
	for _, a := range all {
		ip, port := a.Addr().Unmap().WithZone(""), a.Port()
		if open {
			ports[port] = append(ports[port], ip)
		} else if i := slices.Index(ports[port], ip); i >= 0 {
			ports[port] = slices.Delete(ports[port], i, i+1)
		}
	}
	local.ports.Store(&ports)
}

// IsLocal reports whether a is the address of a UDP socket that this process serves.
func IsLocal(a netip.AddrPort) bool {
	ports := local.ports.Load()
	if ports == nil {
		return false
	}
	ip := a.Addr().Unmap().WithZone("")
	return slices.ContainsFunc((*ports)[a.Port()], func(own netip.Addr) bool {
		return own == ip || own.IsUnspecified() && (ip.IsLoopback() || machine.has(ip))
	})
}

// machine has the addresses of this machine.
var machine interfaces

type interfaces struct {
	mu    sync.Mutex
	until int64
	ips   map[netip.Addr]bool
}

// has asks the system at most every five seconds.
func (m *interfaces) has(ip netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := conn.Now(); m.ips == nil || now > m.until {
		m.until, m.ips = now+int64(5*time.Second), map[netip.Addr]bool{}
		all, _ := net.InterfaceAddrs()
		for _, a := range all {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				m.ips[prefix.Addr()] = true
			}
		}
	}
	return m.ips[ip]
}
