package logline

import (
	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/internal/ratelog"
)

const (
	maxRate    = 200 // lines a second
	maxCrashes = 20  // crashes a second, on top: they matter most when much is printed
)

// A Budget bounds the rate at which relays log. Relays that share one are bounded
// together, as when a process is started for each request. The zero value is ready.
type Budget struct{ lines, crashes ratelog.Limiter }

// NewRelay makes a relay to log that is bounded by b.
func (b *Budget) NewRelay(log hclog.Logger) *Relay {
	l := &Relay{log: log, budget: b, host: []string{"server", "plugin", "pid"}}
	for i, arg := range log.ImpliedArgs() {
		if name, ok := arg.(string); ok && i%2 == 0 {
			l.host = append(l.host, name)
		}
	}
	return l
}

// Flush logs the number of lines that were dropped, if any, without waiting for the end of the second.
// It is called when no relay of the budget is left.
func (b *Budget) Flush() { b.lines.Flush() }
