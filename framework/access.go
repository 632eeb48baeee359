package framework

import (
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
	"github.com/go-socketserver/socketserver/internal/vsock"
)

// Access limits which clients are admitted, by their addresses. The zero value admits all. Clients
// without an address, as at a Unix socket, are always admitted; the socket's mode is for them.
type Access struct {
	Allow []netip.Prefix // of clients that may come in, and no others; empty: all
	Deny  []netip.Prefix // of clients that may not, also where Allow has them
}

// A Rate is N requests in the time Per. A burst of N is within the rate. The zero Rate bounds nothing.
type Rate struct {
	N   int           `json:"n"`
	Per time.Duration `json:"per"`
}

// String returns the rate as in "200/s" or "20/10s".
func (r Rate) String() string { return slots.Rate(r).String() }

// A Source is what limits tell clients apart by: an IPv4 address, a /64 of IPv6, a machine of VSOCK, or at
// a Unix socket the user, or the name of the client's socket. Sources can be compared.
type Source slots.Key

// String returns "192.0.2.1", "2001:db8::/64", "cid 3", "uid 1000", or the name of a socket; empty: nothing
// tells the client apart.
func (s Source) String() string { return slots.Key(s).String() }

// Source returns where r comes from, until it is over.
func (r *Request) Source() Source { return Source(r.key()) }

func (r *Request) key() slots.Key {
	switch a := r.ClientAddress.(type) {
	case *vsock.Addr:
		return slots.KeyOfName("cid " + strconv.FormatUint(uint64(a.CID), 10))
	case *net.UnixAddr:
		if r.accepted == nil {
			break
		}
		if uid, ok := conn.PeerUser(r.accepted); ok {
			return slots.KeyOfUser(uid)
		}
	}
	return slots.KeyOf(r.ClientAddress)
}
