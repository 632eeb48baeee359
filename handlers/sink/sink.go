// Package sink is the handler that logs what it receives and never answers.
package sink

import (
	"bufio"
	"io"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers/framing"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

const (
	maxShown = 1024 // bytes of a message
	maxRate  = 10   // messages a second
)

// Constructor makes the handler, which has no options. The sinks of one class share a limit on
// what they log: clients decide how much arrives and could otherwise fill the disk.
var Constructor = framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
	limit := &ratelog.Limiter{}
	return &framework.HandlerClass{
		New: func() framework.Handler { return &handler{limit: limit} },
		Close: func() error {
			limit.Flush()
			return nil
		},
	}, nil
})

type handler struct {
	framework.BaseRequestHandler
	limit *ratelog.Limiter
}

func (h *handler) Handle(rfile *bufio.Reader, _ io.Writer) error {
	chunks := framing.NewReader(framing.Chunk, h.Request, rfile)
	for {
		m, err := chunks.Next()
		if err != nil {
			return err
		}
		if h.limit.Admit(maxRate, len(m.Data), h.suppressed) {
			shown := m.Data[:min(len(m.Data), maxShown)]
			h.Log().Info("received", "data", hclog.Quote(shown), "length", len(m.Data))
		}
	}
}

func (h *handler) suppressed(messages, bytes int) {
	h.Log().Warn("received more than is shown", "messages", messages, "bytes", bytes)
}
