package importer

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// port returns the number of a port that may have a name. Names are those of this machine; a
// wrong guess would open another port.
func port(network, service string) (string, error) {
	if n, err := strconv.ParseUint(service, 10, 16); err == nil {
		return strconv.FormatUint(n, 10), nil
	}
	n, err := net.LookupPort(network, service)
	if err != nil {
		return "", fmt.Errorf("the number of port %q is not in /etc/services here", service)
	}
	return strconv.Itoa(n), nil
}

// inFamily returns the host, of a setting, that stands for an address of IPv6 or of IPv4.
func (s *server) inFamily(x setting, host string, six bool) string {
	_, err := netip.ParseAddr(host)
	switch {
	case err == nil:
	case host == "localhost" && six:
		return "::1"
	case host == "localhost":
		return "127.0.0.1"
	default:
		s.refuse(x, fmt.Sprintf("it listens at one address of %q there, and would at all of them, of both families; write the address", host))
	}
	return host
}

// isIPv4 reports whether host:port has clients of IPv4 alone.
func isIPv4(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && at.Addr().Is4()
}

// bothFamilies makes :port of 0.0.0.0:port with [::]:port or :port.
func bothFamilies(all []listener) []listener {
	for i, l := range all {
		if !strings.HasPrefix(l.address, "0.0.0.0:") {
			continue
		}
		p := strings.TrimPrefix(l.address, "0.0.0.0")
		j := slices.IndexFunc(all, func(o listener) bool { return o.network == l.network && (o.address == "[::]"+p || o.address == p) })
		if j >= 0 {
			all[i].address = p
			return bothFamilies(slices.Delete(all, j, j+1))
		}
	}
	return all
}

// everyone are the prefixes of all addresses.
var everyone = []string{"0.0.0.0/0", "::/0"}

// prefixes reads an address list of xinetd. Zeros at the end of an address are wildcards, and
// {1,2} stands for several last numbers. The error is of the first word that is no address; the
// others are returned.
func prefixes(words []string) (all []string, err error) {
	for _, w := range words {
		before, list, several := strings.Cut(strings.TrimSuffix(w, "}"), "{")
		for n := range strings.SplitSeq(list, ",") {
			p, failed := prefix(before + n)
			if several && strings.Contains(p, "/") { // no zero is a wildcard there
				p, failed = "", notAnAddress(w)
			}
			if failed == nil {
				all = append(all, p)
			} else if err == nil {
				err = failed
			}
		}
	}
	return all, err
}

func prefix(word string) (string, error) {
	if p, err := netip.ParsePrefix(word); err == nil {
		return p.Masked().String(), nil
	}
	if a, err := netip.ParseAddr(word); err == nil && a.Is6() {
		return a.String(), nil
	}
	parts := strings.Split(strings.TrimSuffix(word, "."), ".")
	if len(parts) > 4 {
		return "", notAnAddress(word)
	}
	for len(parts) < 4 {
		parts = append(parts, "0")
	}
	a, err := netip.ParseAddr(strings.Join(parts, "."))
	if err != nil {
		return "", notAnAddress(word)
	}
	bits := 32
	for bits > 0 && parts[bits/8-1] == "0" {
		bits -= 8
	}
	if bits == 32 {
		return a.String(), nil
	}
	return netip.PrefixFrom(a, bits).String(), nil
}

func notAnAddress(word string) error {
	return fmt.Errorf("an access list has addresses only, and %q is a name", word)
}
