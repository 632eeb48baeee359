package load

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// The kinds of errors that are counted. Any other error is counted by the system's text for it, or
// as [Other] if it has none.
const (
	Refused          = "refused"            // no listener
	QueueFull        = "queue full"         // the server's backlog; unix only
	Reset            = "reset"              // the server dropped the connection
	ClosedEarly      = "closed early"       // the server closed before the end of the answer
	Timeout          = "timeout"            // of connecting and the answer together
	WrongAnswer      = "wrong answer"       // without the expected text, or more than one answer
	OutOfPorts       = "out of ports"       // of this machine
	OutOfDescriptors = "out of descriptors" // of this process or machine
	Other            = "other"
)

var errWrongAnswer = errors.New(WrongAnswer)

// kind returns the kind of err.
func kind(err error) string {
	var timeout net.Error
	var errno syscall.Errno
	switch {
	case errors.Is(err, io.EOF):
		return ClosedEarly
	case errors.Is(err, errWrongAnswer):
		return WrongAnswer
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return Reset
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return OutOfPorts
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return OutOfDescriptors
	case errors.Is(err, syscall.EAGAIN): // its Timeout method is true, too
		return QueueFull
	case errors.As(err, &timeout) && timeout.Timeout():
		return Timeout
	case errors.As(err, &errno):
		return errno.Error()
	}
	return Other
}
