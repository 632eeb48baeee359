// Package sink is the handler that logs what it receives and never answers.
package sink

import (
	"bufio"
	"io"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers/framing"
)

// Constructor makes the handler, which has no options.
var Constructor = framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
	record := &record{}
	return &framework.HandlerClass{
		New:   func() framework.Handler { return &handler{record: record} },
		Close: record.close,
	}, nil
})

type handler struct {
	framework.BaseRequestHandler
	record *record
}

func (h *handler) Handle(rfile *bufio.Reader, _ io.Writer) error {
	chunks := framing.NewReader(framing.Chunk, h.Request, rfile)
	for {
		m, err := chunks.Next()
		if err != nil {
			return err
		}
		if h.record.admit(len(m.Data), h.Log) {
			shown := m.Data[:min(len(m.Data), maxShown)]
			h.Log().Info("received", "data", hclog.Quote(shown), "length", len(m.Data))
		}
	}
}
