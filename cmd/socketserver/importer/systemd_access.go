package importer

import (
	"net/netip"
	"slices"
)

// systemdAccess makes the access lists. An address that is allowed gets in whatever else is
// denied, other than here.
func systemdAccess(s *server, socket, service *unit) {
	var allow, deny []string
	for _, section := range []struct {
		of   *unit
		name string
	}{{socket, "Socket"}, {service, "Service"}} {
		if section.of == nil {
			continue
		}
		for _, x := range section.of.sections[section.name] {
			if x.name != "IPAddressAllow" && x.name != "IPAddressDeny" {
				continue
			}
			all, err := systemdPrefixes(x.words)
			if err != nil {
				s.refuse(x, err.Error())
			}
			if x.name == "IPAddressAllow" {
				allow = append(allow, all...)
			} else {
				deny = append(deny, all...)
			}
		}
	}
	switch {
	case len(deny) == 0:
	case slices.Contains(deny, everyone[0]) && slices.Contains(deny, everyone[1]) && len(allow) > 0:
		s.access("access.allow", allow)
	default:
		s.access("access.deny", deny)
		if overlap(allow, deny) {
			s.disable("it allows addresses out of those that it denies, and here denying wins")
		}
	}
}

func systemdPrefixes(words []string) (all []string, err error) {
	known := map[string][]string{
		"any": everyone, "localhost": {"127.0.0.0/8", "::1/128"},
		"link-local": {"169.254.0.0/16", "fe80::/64"}, "multicast": {"224.0.0.0/4", "ff00::/8"},
	}
	for _, w := range words {
		if list, ok := known[w]; ok {
			all = append(all, list...)
			continue
		}
		if _, err := netip.ParsePrefix(w); err != nil {
			if _, err := netip.ParseAddr(w); err != nil {
				return nil, notAnAddress(w)
			}
		}
		all = append(all, w)
	}
	return all, nil
}

func overlap(some, others []string) bool {
	parse := func(s string) netip.Prefix {
		if p, err := netip.ParsePrefix(s); err == nil {
			return p
		}
		a, _ := netip.ParseAddr(s)
		return netip.PrefixFrom(a, a.BitLen())
	}
	for _, a := range some {
		if slices.ContainsFunc(others, func(b string) bool { return parse(a).Overlaps(parse(b)) }) {
			return true
		}
	}
	return false
}
