package load

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// A plan that cannot be run is refused before the run.
func TestCheck(t *testing.T) {
	require.NoError(t, connections("127.0.0.1:1").Check())
	for message, spoil := range map[string]func(*Plan){
		"use tcp, udp, unix or unixgram":              func(p *Plan) { p.Network = "tls" },
		"use connections, conversations or datagrams": func(p *Plan) { p.Kind = "floods" },
		"datagrams are for udp and unixgram":          func(p *Plan) { p.Kind = result.Datagrams },
		"connections and conversations for tcp":       func(p *Plan) { p.Network = "udp" },
		"use line, chunk or eof":                      func(p *Plan) { p.Answer = "word" },
		"cannot end with eof: use line or chunk":      func(p *Plan) { p.Kind, p.Answer = result.Conversations, EOF },
		"no message to send":                          func(p *Plan) { p.Message = nil },
		"use 1 or more":                               func(p *Plan) { p.Clients = 0 },
		"a rate of -1 requests":                       func(p *Plan) { p.Rate = -1 },
		"a rate of NaN requests":                      func(p *Plan) { p.Rate = math.NaN() },
		"a timeout of 0s":                             func(p *Plan) { p.Timeout = 0 },
		"after a warm-up of":                          func(p *Plan) { p.Duration = 0 },
		"raise it, as with ulimit -n 107374":          func(p *Plan) { p.Clients = 1 << 30 },
		"a process needs 1073741952 descriptors":      func(p *Plan) { p.Server = 1<<30 + 60 },
	} {
		p := connections("127.0.0.1:1")
		spoil(&p)
		require.ErrorContains(t, p.Check(), message)
		_, err := Run(t.Context(), p)
		require.ErrorContains(t, err, message)
	}
	p := connections("127.0.0.1:1")
	p.Clients = 70_000
	require.ErrorContains(t, checkPorts(p), "widen net.ipv4.ip_local_port_range")
	p.Network = "unix"
	require.NoError(t, checkPorts(p))
}

// What was due and not answered is counted to the last request, also at absurd rates.
func TestUnanswered(t *testing.T) {
	for _, interval := range []time.Duration{time.Nanosecond, time.Microsecond, 300 * time.Microsecond, time.Millisecond, 2 * time.Second} {
		start := time.Now()
		p := pace{interval: interval, due: start, limit: start.Add(time.Second)}
		var yields, times int64
		p.unanswered(func(waited time.Duration, n int64) {
			require.Positive(t, waited)
			yields++
			times += n
		})
		require.Equal(t, int64((time.Second+interval-1)/interval), times)
		require.LessOrEqual(t, yields, int64(2001))
	}
}

// The clients of an open loop do not send all at once.
func TestPhases(t *testing.T) {
	p := connections("127.0.0.1:1")
	p.Rate = 100
	start := time.Now()
	for i := range p.Clients {
		require.Equal(t, time.Duration(i)*10*time.Millisecond, newPace(p, i, start).due.Sub(start))
	}
}
