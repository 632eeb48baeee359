// Package timestamp is the handler that answers every message with the time and the
// message itself.
package timestamp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers/framing"
)

// Options are the options of the handler.
type Options struct {
	Framing  framing.Kind `json:"framing" doc:"what a message is: line, ends with a newline; chunk, the result of one read"`
	Requests int          `json:"requests" doc:"messages that are answered before the connection is closed; 0 means no limit"`
	Format   string       `json:"format" doc:"answer with {time}, {data}, {client}, {client_ip} and {client_cert}; {{ and }} are braces"`
	Layout   string       `json:"layout" doc:"layout of {time}, as in Go's package time; it is local time"`
	Quit     Quit         `json:"quit" doc:"what the message quit ends: off, nothing; connection, the client's own; server, the server"`
}

// A Quit is what the message quit ends, in upper or lower case.
type Quit string

const (
	QuitOff        Quit = "off"
	QuitConnection Quit = "connection"
	QuitServer     Quit = "server"
)

const defaultFormat = "[{time}] {data}"

// Constructor makes the handler.
var Constructor = framework.Define(Options{
	Framing: framing.Line,
	Format:  defaultFormat,
	Layout:  time.ANSIC,
	Quit:    QuitOff,
}, construct)

func construct(o Options) (*framework.HandlerClass, error) {
	format, err := parseFormat(o.Format)
	if err := errors.Join(err, o.check()); err != nil {
		return nil, err
	}
	return &framework.HandlerClass{
		New:         func() framework.Handler { return &handler{options: &o, format: format} },
		WriteBuffer: 4096,
	}, nil
}

func (o *Options) check() error {
	errs := []error{o.Framing.Check(framing.Line, framing.Chunk)}
	refuse := func(option, format string, args ...any) {
		errs = append(errs, &framework.OptionError{Option: option, Problem: fmt.Sprintf(format, args...)})
	}
	if o.Requests < 0 {
		refuse("requests", "is %d; give how many messages are answered, or 0 for no limit", o.Requests)
	}
	if o.Layout == "" {
		refuse("layout", "is empty; give a layout of Go, such as %q", time.ANSIC)
	}
	switch o.Quit {
	case QuitOff, QuitConnection, QuitServer:
	default:
		refuse("quit", "there is no quit %q; choose one of %q, %q, %q", o.Quit, QuitOff, QuitConnection, QuitServer)
	}
	return errors.Join(errs...)
}

type handler struct {
	framework.BaseRequestHandler
	options *Options
	format  format

	answer   []byte
	answered int // messages
}

func (h *handler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	messages := framing.NewReader(h.options.Framing, h.Request, rfile)
	for {
		if err := messages.Wait(); err != nil {
			return err
		}
		if over, err := h.reply(messages, wfile); over {
			return err
		}
	}
}

// reply answers a message by one write, as clients read once. over is set for the last one.
func (h *handler) reply(messages *framing.Reader, wfile io.Writer) (over bool, err error) {
	m, err := messages.Next()
	if err != nil {
		return true, framing.Refuse(wfile, err)
	}
	h.answered++
	h.answer = h.format.append(h.answer[:0], &values{data: m.Data, layout: h.options.Layout, client: h.ClientAddress, tls: h.TLS})
	h.answer = append(h.answer, m.Ending...)
	if _, err := wfile.Write(h.answer); err != nil {
		return true, err
	}
	if h.options.Quit != QuitOff && isQuit(m.Data) {
		return true, h.quit()
	}
	return h.answered == h.options.Requests, nil
}

// quit ends the connection by returning. The answer is sent before the server stops.
func (h *handler) quit() error {
	err := h.Flush()
	if h.options.Quit == QuitServer {
		h.Log().Info("client stops the server")
		h.StopServer()
	}
	return err
}

func isQuit(data []byte) bool {
	return bytes.EqualFold(bytes.TrimRight(data, "\r\n"), []byte("quit"))
}
