package main

import (
	"context"
	"io"
	"os"
	"sync"

	"github.com/mattn/go-isatty"

	"github.com/go-socketserver/socketserver/cmd/socketserver/client"
	"github.com/go-socketserver/socketserver/cmd/socketserver/terminal"
)

// A desk is where a person talks: a terminal, or the files in its place.
type desk struct {
	in       io.Reader
	out      client.Output
	attended bool               // a person types
	terminal *terminal.Terminal // nil: lines are not edited

	mu   sync.Mutex
	left bool // closed
}

// openDesk opens the terminal, if there is one and lines are to be edited. The caller calls
// close.
func openDesk(stdin io.Reader, stdout io.Writer, lines bool, look terminal.Settings) (*desk, error) {
	d := &desk{in: stdin, out: client.Plain{Writer: stdout}}
	in, _ := stdin.(*os.File)
	out, _ := stdout.(*os.File)
	d.attended = lines && in != nil && isatty.IsTerminal(in.Fd())
	switch {
	case out == nil || !isatty.IsTerminal(out.Fd()):
		return d, nil
	case !d.attended || !terminal.Usable(in, out):
		d.out = terminal.NewWriter(out)
		return d, nil
	}
	look.In, look.Out = in, out
	t, err := terminal.Open(look)
	if err != nil {
		return nil, err
	}
	d.in, d.out, d.terminal = t, t, t
	return d, nil
}

// run holds a conversation until the input or the server ends, or ctx is done.
func (d *desk) run(ctx context.Context, s client.Settings) error {
	s.Input, s.Output, s.Attended = d.in, d.out, d.attended
	if d.terminal != nil {
		s.OnPanic = d.terminal.Restore
	}
	return client.Run(ctx, s)
}

// operate is run for the operator's socket at path.
func (d *desk) operate(ctx context.Context, path string) error {
	address := client.Address{Network: "unix", Host: path}
	return d.run(ctx, client.Settings{Address: address, Mode: client.Duplex, Framing: client.Line})
}

// close restores the terminal. It may be called twice.
func (d *desk) close() error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = true
	if out, ok := d.out.(io.Closer); ok {
		return out.Close()
	}
	return nil
}

// Write shows the log above the operator's line, or on standard error after close.
func (d *desk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left {
		return os.Stderr.Write(p)
	}
	_ = d.terminal.BeginLine()
	return d.terminal.Write(p)
}
