package framework

import (
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/cidr"
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
func (r Rate) String() string {
	per := r.Per.String()
	for unit, name := range map[time.Duration]string{time.Hour: "h", time.Minute: "m", time.Second: "s"} {
		if n := r.Per / unit; n > 0 && n < 60 && r.Per%unit == 0 {
			if per = name; n > 1 {
				per = strconv.Itoa(int(n)) + name
			}
		}
	}
	return strconv.Itoa(r.N) + "/" + per
}

// gate is [Access], as it is applied.
type gate struct{ allow, deny cidr.Set }

// admits reports whether r may come in.
func (g *gate) admits(r *Request) bool {
	if g.allow.Empty() && g.deny.Empty() {
		return true
	}
	ip := cidr.Of(r.ClientAddress)
	return !ip.IsValid() || !g.deny.Contains(ip) && (g.allow.Empty() || g.allow.Contains(ip))
}

// gate returns what applies Access.
func (l *Limits) gate() *gate {
	l.made.Do(func() { l.door = gate{cidr.NewSet(l.Access.Allow), cidr.NewSet(l.Access.Deny)} })
	return &l.door
}

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

// admitRate returns why a request exceeds what its source may ask for; empty: it does not.
func (l *Limits) admitRate(now *Limits, from slots.Key) Refusal {
	if rate := slots.Rate(now.RatePerSource); rate.N > 0 && !from.IsZero() && !l.rates.Allow(from, 1, rate, now.Penalty, conn.Now()) {
		return RefusedRatePerSource
	}
	return ""
}

// awaitRate waits until a request may come at the rate of the server, or s takes no more.
func (l *Limits) awaitRate(now *Limits, done <-chan struct{}) {
	if rate := slots.Rate(now.Rate); rate.N > 0 {
		pause(l.rate.Wait(rate, conn.Now()), done)
	}
}

// takeRate takes a request from the rate of the server, and reports whether it may be served.
func (l *Limits) takeRate(now *Limits, done <-chan struct{}) bool {
	rate := slots.Rate(now.Rate)
	switch {
	case rate.N == 0:
		return true
	case now.Refuse:
		return l.rate.Try(rate, conn.Now())
	}
	return pause(l.rate.Reserve(rate, conn.Now()), done)
}

// pause waits for a time and reports whether done was closed only after that.
func pause(d time.Duration, done <-chan struct{}) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-done:
		return false
	}
}
