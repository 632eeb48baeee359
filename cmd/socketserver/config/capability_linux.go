package config

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Capabilities, of which root has fewer in a container or a unit of systemd that keeps them from it.
var (
	asAnother = []capability{{"CAP_SETUID", unix.CAP_SETUID}, {"CAP_SETGID", unix.CAP_SETGID}, {"CAP_KILL", unix.CAP_KILL}}
	first     = []capability{{"CAP_SYS_NICE", unix.CAP_SYS_NICE}}
)

type capability struct {
	name   string
	number int
}

// lacking returns the first of all that this process does not have, or "".
func lacking(all []capability) string {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has [2]unix.CapUserData
	if unix.Capget(&header, &has[0]) != nil {
		return ""
	}
	i := slices.IndexFunc(all, func(c capability) bool { return has[c.number/32].Effective&(1<<(c.number%32)) == 0 })
	if i < 0 {
		return ""
	}
	return all[i].name
}
