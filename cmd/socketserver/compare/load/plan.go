// Package load has the clients of a comparison: they send requests to a server, as fast as it
// answers or at a given rate, and count answers, latencies and errors.
package load

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
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

	// Held and Server are descriptors that will be open besides the clients': in this process, and
	// in the server's. Only Check uses them.
	Held, Server int

	// Begin and End, if not nil, are called when the counted time begins and ends, while the
	// clients run. They should be quick.
	Begin, End func()
}

// Check reports why p cannot be run: it contradicts itself, or this system has too few descriptors or
// ports for so many clients. The error says what to raise.
func (p Plan) Check() error {
	if err := p.Contradiction(); err != nil {
		return err
	}
	if err := checkDescriptors(p); err != nil {
		return err
	}
	return checkPorts(p)
}

// Contradiction reports how p contradicts itself, on any system.
func (p Plan) Contradiction() error {
	datagram := p.Network == "udp" || p.Network == "unixgram"
	switch {
	case !slices.Contains([]string{"tcp", "udp", "unix", "unixgram"}, p.Network):
		return fmt.Errorf("no such network: %q: use tcp, udp, unix or unixgram", p.Network)
	case !slices.Contains([]string{result.Connections, result.Conversations, result.Datagrams}, p.Kind):
		return fmt.Errorf("no such kind of load: %q: use connections, conversations or datagrams", p.Kind)
	case datagram != (p.Kind == result.Datagrams):
		return fmt.Errorf("%s over %s: datagrams are for udp and unixgram, connections and conversations for tcp and unix", p.Kind, p.Network)
	case !datagram && !slices.Contains([]string{Line, Chunk, EOF}, p.Answer):
		return fmt.Errorf("no such end of an answer: %q: use line, chunk or eof", p.Answer)
	case p.Kind == result.Conversations && p.Answer == EOF:
		return errors.New("a conversation goes on after an answer, which therefore cannot end with eof: use line or chunk")
	case len(p.Message) == 0:
		return errors.New("there is no message to send: give one")
	case p.Clients < 1:
		return fmt.Errorf("%d clients: use 1 or more", p.Clients)
	case p.Rate < 0 || math.IsNaN(p.Rate) || math.IsInf(p.Rate, 0):
		return fmt.Errorf("a rate of %v requests per second: use 0 or more", p.Rate)
	case p.Timeout <= 0:
		return fmt.Errorf("a timeout of %v: use more than 0", p.Timeout)
	case p.Duration <= 0 || p.Warmup < 0:
		return fmt.Errorf("a duration of %v after a warm-up of %v: use more than 0", p.Duration, p.Warmup)
	}
	return nil
}

const (
	fewestDescriptors = 128 // of a server and its children at their start
	passing           = 32  // open for a moment only
	ofServer          = 64  // of any server, besides those of its clients and children
)

// checkDescriptors checks the server, too, which has the same limit as this process.
func checkDescriptors(p Plan) error {
	open, limit := Descriptors()
	each := 1
	if p.Rate > 0 { // each client has an alarm
		each = 2
	}
	needed := max(fewestDescriptors, open+p.Held+each*p.Clients+passing, p.Clients+p.Server+ofServer)
	if open >= 0 && needed > limit {
		return fmt.Errorf("a process needs %d descriptors with %d clients, and the limit is %d: raise it, as with ulimit -n %d, or use fewer clients",
			needed, p.Clients, limit, needed)
	}
	return nil
}

func checkPorts(p Plan) error {
	if p.Network != "tcp" && p.Network != "udp" {
		return nil
	}
	if ports := Ports(); ports >= 0 && ports < p.Clients {
		return fmt.Errorf("%d clients need as many local ports, and %d are free: use fewer clients, wait a minute or widen net.ipv4.ip_local_port_range",
			p.Clients, ports)
	}
	return nil
}
