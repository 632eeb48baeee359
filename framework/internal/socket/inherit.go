package socket

import (
	"fmt"
	"os"
)

// KeepInherited makes a Kept of a socket that another process has opened, of which file has a
// descriptor; the caller closes file. The mode and the file of a Unix socket are the other
// process's, and so are the options that count when a socket is bound.
func KeepInherited(network string, file *os.File, o Options) (*Kept, error) {
	k := &Kept{network: network, options: o}
	switch of := networks[network]; {
	case of.listen != nil:
		l, err := fileListener(network, file, o.TCP())
		if err != nil {
			return nil, fmt.Errorf("inherit listener: %w", err)
		}
		k.address, k.original = l.Addr(), setBacklog(l, o.RequestQueueSize)
	case of.packets != nil:
		c, err := filePackets(file)
		if err != nil {
			return nil, fmt.Errorf("inherit datagram socket: %w", err)
		}
		k.address, k.original = c.LocalAddr(), c
	default:
		return nil, errNoNetwork(network)
	}
	return k.keep()
}
