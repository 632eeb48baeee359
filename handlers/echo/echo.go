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
	Framing framing.Kind `json:"framing" doc:"what is sent back at once: chunk, what one read brings; line, a whole line"`
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
	// The bytes of a chunk are what arrived, so there is nothing to cut; a client that
	// sends in bulk has them moved by the system.
	_, err := rfile.WriteTo(wfile) // as io.Copy, with less on the stack of each idle client
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
