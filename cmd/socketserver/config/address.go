package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/go-socketserver/socketserver/internal/vsock"
)

// IsUnix reports whether addresses of a network are paths.
func IsUnix(network string) bool { return strings.HasPrefix(network, "unix") }

// HasIP reports whether clients of a network have IP addresses.
func HasIP(network string) bool { return !IsUnix(network) && network != "vsock" }

// isPassed reports whether an address is the name of a socket that a service manager passes.
func isPassed(address string) bool { return strings.HasPrefix(address, "fd/") }

// maxSocketPath is the size of Linux's sun_path, without the final NUL byte.
const maxSocketPath = 107

// address is the attribute of a transport. beside resolves paths; one that begins with @ is
// abstract.
func address(t *Transport, beside func(string) string) field {
	check := typed(cty.String, "text in quotes", func(s string) *fault {
		if IsUnix(t.Network) && s != "" && !strings.HasPrefix(s, "@") && !isPassed(s) {
			s = beside(s)
		}
		if f := checkAddress(t.Network, s); f != nil {
			return f
		}
		t.Address = s
		return nil
	})
	return func(v cty.Value) *fault {
		if v.IsNull() {
			return faultf("write one", "the address is null")
		}
		return check(v)
	}
}

// checkAddress returns what is wrong with an address, or nil. It looks up no names.
func checkAddress(network, address string) *fault {
	if isPassed(address) {
		if name := strings.TrimPrefix(address, "fd/"); name == "" || strings.ContainsAny(name, ":/") {
			return faultf(`write the name of a socket unit's FileDescriptorName, as in "fd/web"`, "%q names no descriptor", address)
		}
		return nil
	}
	if IsUnix(network) {
		switch {
		case address == "" || address == "@":
			return faultf("write the path of the socket", "the address is empty")
		case len(address) > maxSocketPath:
			return faultf("choose a shorter path", "the path has %d bytes, and a socket's has at most %d", len(address), maxSocketPath)
		}
		return nil
	}
	if network == "vsock" {
		if _, err := vsock.ParseAddr(address); err != nil {
			return faultf(`write CID:port, as in "any:9000" for the clients of every address, or "local:9000"`, "%s", err)
		}
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return splitFault(address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || port != strconv.FormatUint(n, 10) {
		next := "write a number from 0 to 65535 after the colon; 0 takes a free port"
		if n, err := net.LookupPort(network, port); err == nil && n > 0 {
			next = fmt.Sprintf("write %q", net.JoinHostPort(host, strconv.Itoa(n)))
		}
		return faultf(next, "%q in %q is not a port", port, address)
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !isName(host, 253, "_", ".-") {
		return faultf(`write a name or an address, as in "localhost:9000" or "[::1]:9000"`, "%q in %q is not a host", host, address)
	}
	return nil
}

func splitFault(address string) *fault {
	switch _, err := netip.ParseAddr(address); {
	case address == "":
		return faultf(`write host:port, as in "localhost:9000", or ":9000" for every address`, "the address is empty")
	case strings.Contains(address, "://"):
		return faultf(`write host:port, as in "localhost:9000"`, "%q is a URL, as for the command line", address)
	case err == nil && strings.Contains(address, ":"), strings.Count(address, ":") > 1 && !strings.HasPrefix(address, "["):
		return faultf(`write IPv6 in brackets, with a port, as in "[::1]:9000"`, "it is not clear where the port of %q begins", address)
	case strings.Trim(address, "0123456789") == "":
		return faultf(fmt.Sprintf("write %q, or %q for every address", "localhost:"+address, ":"+address), "%q has no host", address)
	}
	return faultf(fmt.Sprintf("write %q", strings.TrimSuffix(address, ":")+":9000"), "%q has no port", address)
}

// endpoint is something that only one listener can bind. port is what listeners share to clash,
// and host is compared.
type endpoint struct {
	port string // with its network; unix for both kinds of Unix sockets, as their files clash
	host string // an address, a name, or a path
}

// endpoints returns what a listener binds. Port 0 never clashes.
func endpoints(t *Transport) []endpoint {
	if isPassed(t.Address) {
		return []endpoint{{"fd", t.Network + t.Address}}
	}
	if IsUnix(t.Network) && t.Address != "" {
		path := t.Address
		if absolute, err := filepath.Abs(path); err == nil && !strings.HasPrefix(path, "@") {
			path = absolute
		}
		return []endpoint{{"unix", path}}
	}
	host, port, err := net.SplitHostPort(t.Address)
	if err != nil || port == "0" {
		return nil
	}
	if t.Network == "vsock" {
		return []endpoint{{t.Network + port, host}}
	}
	var all []endpoint
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, ip := range Addresses(host) {
		all = append(all, endpoint{t.Network + port, ip.String()})
	}
	if all == nil {
		all = []endpoint{{t.Network + port, host}}
	}
	return all
}

// Addresses returns the addresses that a host means on every machine: both wildcards where it is
// empty, and both loopback addresses for localhost, whatever the resolver says. It returns nil for
// another name.
func Addresses(host string) []netip.Addr {
	switch host {
	case "":
		return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	case "localhost":
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}
	}
	return nil
}

// clash reports whether two endpoints cannot be bound at once.
func clash(a, b endpoint) bool {
	return a.port == b.port && (a.host == b.host || covers(a.host, b.host) || covers(b.host, a.host))
}

// covers reports whether all stands for every address of a family that host, which may be a name,
// may be of.
func covers(all, host string) bool {
	wildcard, _ := netip.ParseAddr(all)
	ip, err := netip.ParseAddr(host)
	return wildcard.IsUnspecified() && (err != nil || ip.Is4() == wildcard.Is4())
}
