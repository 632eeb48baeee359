package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// resolve returns every address that text means.
func resolve(ctx context.Context, text string) ([]netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(text)
	var ips []netip.Addr
	if err == nil {
		ips, err = resolveHost(ctx, host)
	}
	if err != nil {
		return nil, fmt.Errorf("address %q: %w; check the name, or write an address", text, err)
	}
	n, _ := strconv.ParseUint(port, 10, 16) // the configuration was checked
	addresses := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addresses[i] = netip.AddrPortFrom(ip.Unmap(), uint16(n))
	}
	return addresses, nil
}

func resolveHost(ctx context.Context, host string) ([]netip.Addr, error) {
	if ips := config.Addresses(host); ips != nil { // with their zone, which LookupNetIP drops
		return ips, checkZone(ips[0])
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if lookup := (*net.DNSError)(nil); errors.As(err, &lookup) {
		err = fmt.Errorf("cannot find the host %q: %s", host, lookup.Err)
	}
	return ips, err
}

// checkZone returns an error unless the zone of ip is the name or number of an interface.
func checkZone(ip netip.Addr) error {
	zone := ip.Zone()
	switch {
	case zone == "" && ip.Is6() && (ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast()):
		return fmt.Errorf("a link-local address needs its network interface, as in [%s%%eth0]", ip)
	case zone == "":
		return nil
	}
	index, err := strconv.Atoi(zone)
	if err == nil {
		_, err = net.InterfaceByIndex(index)
	} else {
		_, err = net.InterfaceByName(zone)
	}
	if err != nil {
		err = fmt.Errorf("there is no network interface %q", zone)
	}
	return err
}

// familyMissing reports whether this machine has no addresses of a family, which is no error
// as long as it has some of another.
func familyMissing(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

// warnAboutMultipath logs that Multipath TCP was asked for and the system has none. Clients have TCP, as
// they have where a path between them and the server does not let more through.
func warnAboutMultipath(t config.Transport, log hclog.Logger) {
	if !t.Multipath {
		return
	}
	if on, err := os.ReadFile("/proc/sys/net/mptcp/enabled"); err != nil || strings.TrimSpace(string(on)) != "1" {
		log.Warn("this system has no Multipath TCP, and clients get TCP", "address", t.Address, "next", "set net.mptcp.enabled to 1, in a kernel with CONFIG_MPTCP")
	}
}

// thisProcess is the owner of a socket that this process has open.
const thisProcess = "this process"

// listenError returns err, which may be nil, as an error that ends with what to do about an address.
func listenError(network, address string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*openError)):
		return fmt.Errorf("%s %s %w", network, address, err)
	case errors.Is(err, syscall.EADDRINUSE):
		switch owner := socketOwner(network, address); owner {
		case "":
		case thisProcess:
			return fmt.Errorf("%s %s overlaps an address that this process has open; restart it, or choose another port", network, address)
		default:
			return fmt.Errorf("%s %s is in use by %s; stop it or choose another address", network, address, owner)
		}
		if low, high, ok := clientPorts(network, address); ok {
			return fmt.Errorf("%s %s is in use, and may be by a client's connection, to which the system gives the ports from %d to %d; see ss -an, and try again or choose a port outside", network, address, low, high)
		}
		return fmt.Errorf("%s %s is in use; stop what uses it or choose another address", network, address)
	case config.IsUnix(network): // err names the path
		return fmt.Errorf("%s: listen: %w", network, err)
	case !isBind(err): // such as a socket option
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s %s: permission denied; choose a port from 1024 up, or run with CAP_NET_BIND_SERVICE", network, address)
	case errors.Is(err, syscall.EADDRNOTAVAIL) && network == "vsock":
		return fmt.Errorf("%s %s is no address of this machine; write any:PORT, or load the module vsock_loopback for local:PORT", network, address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s %s is no address of this machine; choose one that is", network, address)
	}
	if operation := (*net.OpError)(nil); errors.As(err, &operation) {
		err = operation.Err // without the address
	}
	return fmt.Errorf("%s %s: %w", network, address, err)
}

// isBind reports whether err is that of the address itself.
func isBind(err error) bool {
	call := (*os.SyscallError)(nil)
	return errors.As(err, &call) && (call.Syscall == "bind" || call.Syscall == "listen")
}
