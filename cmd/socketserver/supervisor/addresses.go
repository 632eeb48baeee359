package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
)

// resolve returns every address that text means. localhost is both loopback addresses
// whatever the resolver says, and no host is the wildcard of both families.
func resolve(ctx context.Context, network, text string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(text)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w; write host:port", text, err)
	}
	port, err := net.DefaultResolver.LookupPort(ctx, network, service)
	if err != nil {
		return nil, fmt.Errorf("address %q: %q is no port; write a number from 0 to 65535", text, service)
	}
	ips, err := resolveHost(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w; check the name, or write an address", text, err)
	}
	addresses := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addresses[i] = netip.AddrPortFrom(ip.Unmap(), uint16(port))
	}
	return addresses, nil
}

func resolveHost(ctx context.Context, host string) ([]netip.Addr, error) {
	switch host {
	case "":
		return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}, nil
	case "localhost":
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	if ip, err := netip.ParseAddr(host); err == nil { // with its zone, which LookupNetIP drops
		return []netip.Addr{ip}, nil
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// familyMissing reports whether this machine has no addresses of a family, which is no error
// as long as it has some of another.
func familyMissing(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

// listenError returns an error that ends with what to do about an address.
func listenError(network, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		if owner := socketOwner(network, address); owner != "" {
			return fmt.Errorf("%s %s is in use by %s; stop it or choose another address", network, address, owner)
		}
		return fmt.Errorf("%s %s is in use; stop what uses it or choose another address", network, address)
	case network == "unix" || network == "unixgram": // err names the path
		return fmt.Errorf("%s: listen: %w", network, err)
	case !isBind(err): // such as a socket option
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s %s: permission denied; choose a port from 1024 up, or run with CAP_NET_BIND_SERVICE", network, address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s %s is no address of this machine; choose one that is", network, address)
	}
	return fmt.Errorf("%s %s: %w", network, address, err)
}

// isBind reports whether err is that of the address itself.
func isBind(err error) bool {
	call := (*os.SyscallError)(nil)
	return errors.As(err, &call) && (call.Syscall == "bind" || call.Syscall == "listen")
}

func portOf(address string) (int, bool) {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0, false
	}
	port, err := strconv.Atoi(text)
	return port, err == nil
}
