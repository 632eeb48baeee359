package importer

import (
	"net/netip"
	"slices"
)

// systemdAccess makes the access lists. An address that is allowed by a unit gets in whatever else that unit denies,
// other than here. Where both units deny some, a client has to be let in by both.
func systemdAccess(s *server, socket, service *unit) {
	ofSocket, ofService := addressesOf(s, socket, "Socket"), addressesOf(s, service, "Service")
	switch {
	case len(ofSocket.deny) == 0:
		ofService.restrict(s)
	case len(ofService.deny) == 0 || slices.Equal(ofSocket.allow, ofService.allow) && slices.Equal(ofSocket.deny, ofService.deny):
		ofSocket.restrict(s)
	default:
		s.disable("both of its units deny addresses; write an access block for both")
	}
}

// addresses are what a unit allows and denies.
type addresses struct{ allow, deny []string }

func addressesOf(s *server, u *unit, section string) (a addresses) {
	if u == nil {
		return a
	}
	for _, x := range u.sections[section] {
		if x.name != "IPAddressAllow" && x.name != "IPAddressDeny" {
			continue
		}
		all, err := systemdPrefixes(x.words)
		if err != nil {
			s.refuse(x, err.Error())
		}
		if x.name == "IPAddressAllow" {
			a.allow = append(a.allow, all...)
		} else {
			a.deny = append(a.deny, all...)
		}
	}
	return a
}

func (a addresses) restrict(s *server) {
	switch {
	case len(a.deny) == 0:
	case slices.Contains(a.deny, everyone[0]) && slices.Contains(a.deny, everyone[1]) && len(a.allow) > 0:
		s.access("access.allow", a.allow)
	default:
		s.access("access.deny", a.deny)
		if overlap(a.allow, a.deny) {
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
