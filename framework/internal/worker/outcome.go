package worker

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// Panic is the error of a handler that has panicked in another process. It has the fields of
// the framework's PanicError, so that one converts to the other.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// ErrorOf returns the error of an outcome. Errors cross a process as text; the kinds that a
// log tells apart are kept.
func ErrorOf(f *handoff.Frame) error {
	switch f.Status {
	case handoff.OK:
		return nil
	case handoff.PeerGone:
		return &handoff.RemoteError{Text: f.Text, Kind: conn.ErrPeerGone}
	case handoff.TimedOut:
		return &handoff.RemoteError{Text: f.Text, Kind: os.ErrDeadlineExceeded}
	case handoff.Panicked:
		value, stack, _ := strings.Cut(f.Text, "\n")
		return &Panic{Value: value, Stack: []byte(stack)}
	}
	return errors.New(f.Text)
}

// SetError is the inverse of ErrorOf. The regular end of what a client sends is no error.
func SetError(f *handoff.Frame, err error) {
	switch p := (*Panic)(nil); {
	case err == nil || errors.Is(err, io.EOF):
		return
	case errors.As(err, &p):
		f.Status, f.Text = handoff.Panicked, fmt.Sprintf("%v\n%s", p.Value, p.Stack)
		return
	case errors.Is(err, conn.ErrPeerGone):
		f.Status = handoff.PeerGone
	case Routine(err):
		f.Status = handoff.TimedOut
	default:
		f.Status = handoff.Failed
	}
	f.Text = err.Error()
}

// Routine reports whether an error is part of a client's ordinary life: it left, it fell
// silent, or it was cut off by a shutdown that has logged that.
func Routine(err error) bool {
	for _, routine := range []error{conn.ErrPeerGone, os.ErrDeadlineExceeded, net.ErrClosed, ErrServerClosed, ErrDropped} {
		if errors.Is(err, routine) {
			return true
		}
	}
	return false
}
