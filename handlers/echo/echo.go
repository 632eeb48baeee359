// Package echo is the handler that sends back what it receives.
package echo

import (
	"bufio"
	"io"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers/framing"
)

// Options are the options of the handler.
type Options struct {
	Framing framing.Kind `json:"framing" doc:"what is sent back at once: chunk, the result of one read; line, a whole line"`
}

// Constructor makes the handler.
var Constructor = framework.Define(Options{Framing: framing.Chunk}, func(o Options) (*framework.HandlerClass, error) {
	if err := o.Framing.Check(framing.Chunk, framing.Line); err != nil {
		return nil, err
	}
	return &framework.HandlerClass{
		New:         func() framework.Handler { return &handler{framing: o.Framing} },
		WriteBuffer: 4096,
	}, nil
})

type handler struct {
	framework.BaseRequestHandler
	framing framing.Kind
}

func (h *handler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	if h.framing == framing.Line {
		return h.echoLines(rfile, wfile)
	}
	// Chunks need no splitting; the system moves bulk data without a copy here.
	_, err := rfile.WriteTo(wfile) // a shallower stack than io.Copy's for each idle client
	return err
}

func (h *handler) echoLines(rfile *bufio.Reader, wfile io.Writer) error {
	lines := framing.NewReader(framing.Line, h.Request, rfile)
	var answer []byte
	for {
		line, err := lines.Next()
		if err != nil {
			return framing.Refuse(wfile, err)
		}
		answer = append(append(answer[:0], line.Data...), line.Ending...)
		if _, err := wfile.Write(answer); err != nil {
			return err
		}
	}
}
