package framework

import (
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// Timeouts bound a request. Zero means no bound.
type Timeouts struct {
	Idle      time.Duration `json:"idle"`      // no byte in either direction
	Read      time.Duration `json:"read"`      // one wait for the client; of a line until it is whole, at most rfile's buffer
	Write     time.Duration `json:"write"`     // one write to a client that does not read
	Request   time.Duration `json:"request"`   // the whole request
	Drain     time.Duration `json:"drain"`     // what a worker takes for the requests it holds when its server has gone
	Handshake time.Duration `json:"handshake"` // the preamble and the layers of a connection; of the preamble 5 s if zero

	// IdleIsDefault says that nobody has asked for Idle. It does not bound the requests of a
	// class that is [HandlerClass.Quiet].
	IdleIsDefault bool `json:"idle_is_default"`
}

// ofStream is t for package conn, which has a type with the same fields.
func (t *Timeouts) ofStream() *conn.Timeouts { return (*conn.Timeouts)(t) }
