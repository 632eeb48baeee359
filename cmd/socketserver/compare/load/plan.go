// Package load is the clients of a comparison: they send requests to a server, as fast as
// it answers or at a given rate, and count what comes back, how late, and what does not.
package load

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// How a client knows the end of an answer. To a datagram it is always one datagram.
const (
	Line  = "line"  // it ends with a newline
	Chunk = "chunk" // it is what one read brings
	EOF   = "eof"   // it ends when the server closes; the client half-closes once it has sent
)

// maxAnswer bounds how many bytes of an answer are read.
const maxAnswer = 1 << 20

// A Plan is what the clients do in one round.
type Plan struct {
	Network string // tcp, udp, unix or unixgram
	Address string // as net.Dial takes it
	Kind    string // result.Connections, result.Conversations or result.Datagrams
	Clients int    // at once, each with at most one request under way

	// Rate is how many requests per second all clients together are to send, whether or not
	// the server keeps up (open loop). 0: each sends the next one when it has been answered.
	Rate float64

	Message  []byte
	Answer   string        // Line, Chunk or EOF
	Contains []byte        // what every answer must contain; empty: anything will do
	Timeout  time.Duration // after which a request has failed; it may be an eighth late

	Warmup   time.Duration // of load before anything is counted
	Duration time.Duration // of load that is counted

	// Descriptors that are going to be open beside those of the clients and those that are: Held by
	// this process, Server by that of the clients. Only Check looks at them.
	Held, Server int

	// Begin and End are called when the counted time begins and ends, the clients being at
	// work. They may be nil and should be quick.
	Begin, End func()
}

// Check says what keeps p from being run: that it contradicts itself, or that this system
// lends too few descriptors or ports to so many clients, and what to raise.
func (p Plan) Check() error {
	if err := p.Contradiction(); err != nil {
		return err
	}
	if err := checkDescriptors(p); err != nil {
		return err
	}
	return checkPorts(p)
}

// Contradiction says how p contradicts itself, whatever the system lends; nil: it does not.
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
		return errors.New("a conversation goes on after an answer, which therefore can not end with eof: use line or chunk")
	case len(p.Message) == 0:
		return errors.New("there is no message to send: give one")
	case p.Clients < 1:
		return fmt.Errorf("%d clients: at least one is needed", p.Clients)
	case p.Rate < 0 || math.IsNaN(p.Rate) || math.IsInf(p.Rate, 0):
		return fmt.Errorf("a rate of %v requests per second: use 0 or more", p.Rate)
	case p.Timeout <= 0:
		return fmt.Errorf("a timeout of %v: it must be more than 0", p.Timeout)
	case p.Duration <= 0 || p.Warmup < 0:
		return fmt.Errorf("%v of load after %v: the load must last", p.Duration, p.Warmup)
	}
	return nil
}

const (
	fewestDescriptors = 128 // that a server and its children start with
	passing           = 32  // of what is open for a moment only
	ofServer          = 64  // of any server, beside those of its clients and children
)

// checkDescriptors is for the server too, which has the same limit as this process.
func checkDescriptors(p Plan) error {
	open, limit := Descriptors()
	each := 1
	if p.Rate > 0 { // a timer
		each = 2
	}
	needed := max(fewestDescriptors, open+p.Held+each*p.Clients+passing, p.Clients+p.Server+ofServer)
	if open >= 0 && needed > limit {
		return fmt.Errorf("a process needs %d descriptors with %d clients, and may have %d open: raise the limit, as with ulimit -n %d, or use fewer clients",
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
