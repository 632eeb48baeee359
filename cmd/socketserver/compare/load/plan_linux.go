// Package load has the clients of a comparison: they send requests to a server, as fast as it
// answers or at a given rate, and count answers, latencies and errors.
package load

import (
	"fmt"
	"time"
)

// How a client knows the end of an answer. The answer to a datagram is always one datagram.
const (
	Line  = "line"  // it ends with a newline
	Chunk = "chunk" // it is one read
	EOF   = "eof"   // it ends when the server closes; the client half-closes after sending
)

// maxAnswer is the number of bytes of an answer that are read.
const maxAnswer = 1 << 20

// A Plan is what the clients do in one round.
type Plan struct {
	Network string // tcp, udp, unix or unixgram
	Address string // as net.Dial takes it
	Kind    string // result.Connections, result.Conversations or result.Datagrams
	Clients int    // at once, each with at most one request in flight

	// Rate is the number of requests per second of all clients together, whether or not the server
	// keeps up (open loop). 0: each client sends its next request on receipt of the answer.
	Rate float64

	Message  []byte
	Answer   string        // Line, Chunk or EOF
	Contains []byte        // text of every answer; empty: any answer is right
	Timeout  time.Duration // after which a request fails; it may be an eighth late

	Warmup   time.Duration // load that is not counted
	Duration time.Duration // load that is counted

	// Begin and End, if not nil, are called when the counted time begins and ends, while the
	// clients run. They should be quick.
	Begin, End func()
}

const (
	fewestDescriptors = 128 // of a server and its children at their start
	passing           = 32  // open for a moment only
	ofServer          = 64  // of any server, besides those of its clients and children
)

// Check reports whether this system has too few descriptors or ports for so many clients. Held and
// server are the descriptors that will be open besides the clients', in this process and in the
// server's, which has the same limit. The error says what to raise.
func (p Plan) Check(held, server int) error {
	open, limit := descriptors()
	each := 1
	if p.Rate > 0 { // each client has an alarm
		each = 2
	}
	needed := max(fewestDescriptors, open+held+each*p.Clients+passing, p.Clients+server+ofServer)
	if open >= 0 && needed > limit {
		return fmt.Errorf("a process needs %d descriptors with %d clients, and the limit is %d: raise it, as with ulimit -n %d, or use fewer clients",
			needed, p.Clients, limit, needed)
	}
	if ports := freePorts(); (p.Network == "tcp" || p.Network == "udp") && ports >= 0 && ports < p.Clients {
		return fmt.Errorf("%d clients need as many local ports, and %d are free: use fewer clients, wait a minute or widen net.ipv4.ip_local_port_range",
			p.Clients, ports)
	}
	return nil
}
