// Package vsock has connections between a virtual machine and its host (AF_VSOCK), which package net does not know.
package vsock

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Some context identifiers. See vsock(7).
const (
	Any   = math.MaxUint32 // of a listener: all that the machine has
	Local = 1              // of this machine, for itself
	Host  = 2              // of the host, for its machines
)

var names = map[string]uint32{"any": Any, "local": Local, "host": Host}

// An Addr is the address of a socket: a context identifier, which a machine has, and a port.
type Addr struct{ CID, Port uint32 }

// Network returns "vsock".
func (*Addr) Network() string { return "vsock" }

// String returns the address as ParseAddr reads it.
func (a *Addr) String() string {
	cid := strconv.FormatUint(uint64(a.CID), 10)
	if a.CID == Any {
		cid = "any"
	}
	return cid + ":" + strconv.FormatUint(uint64(a.Port), 10)
}

// ParseAddr reads an address, as "3:9000", "any:9000", "local:9000" or "host:9000".
func ParseAddr(text string) (*Addr, error) {
	machine, number, ok := strings.Cut(text, ":")
	cid, named := names[machine]
	n, err := strconv.ParseUint(machine, 10, 32)
	if !named {
		cid = uint32(n)
	}
	port, failed := strconv.ParseUint(number, 10, 32)
	if !ok || err != nil && !named || failed != nil || port == math.MaxUint32 {
		return nil, fmt.Errorf("%q is no address of VSOCK, which has a context identifier and a port", text)
	}
	return &Addr{cid, uint32(port)}, nil
}
