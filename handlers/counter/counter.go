// Package counter is the handler that counts lines, of all clients and in whatever process.
package counter

import (
	"bufio"
	"errors"
	"io"
	"strconv"

	"github.com/go-socketserver/socketserver/framework"
)

// Options are the options of the handler.
type Options struct {
	Key  string `json:"key" doc:"counter of the state that each line adds to"`
	Step int64  `json:"step" doc:"what a line adds; 0 shows the number without a change"`
}

// Constructor makes the handler.
var Constructor = framework.Define(Options{Key: "lines", Step: 1}, func(o Options) (*framework.HandlerClass, error) {
	if o.Key == "" {
		return nil, &framework.OptionError{Option: "key", Problem: "is empty; write a name, such as \"lines\""}
	}
	return &framework.HandlerClass{New: func() framework.Handler { return &handler{options: o} }, UsesState: true}, nil
})

type handler struct {
	framework.BaseRequestHandler
	options Options
}

func (h *handler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	var answer []byte
	for {
		line, err := rfile.ReadSlice('\n')
		if len(line) > 0 && (err == nil || errors.Is(err, io.EOF)) {
			n, failed := h.State().Add(h.Context(), h.options.Key, h.options.Step)
			if failed != nil {
				return failed
			}
			answer = append(strconv.AppendInt(answer[:0], n, 10), '\n')
			if _, failed := wfile.Write(answer); failed != nil {
				return failed
			}
		}
		if err != nil {
			return err
		}
	}
}
