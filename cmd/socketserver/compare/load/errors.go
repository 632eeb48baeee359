package load

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// The kinds of errors that are counted. One that is not among them is counted by the
// system's own words for it, and as [Other] where it has none.
const (
	Refused          = "refused"            // nobody listens
	QueueFull        = "queue full"         // of connections that the server has not accepted; unix only
	Reset            = "reset"              // the server threw the connection away
	ClosedEarly      = "closed early"       // it closed before the end of the answer
	Timeout          = "timeout"            // of connecting and being answered together
	WrongAnswer      = "wrong answer"       // not what it must contain, or more than was asked for
	OutOfPorts       = "out of ports"       // of this machine
	OutOfDescriptors = "out of descriptors" // of this process or machine
	Other            = "other"
)

var errWrongAnswer = errors.New(WrongAnswer)

// kind is how err is counted.
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
	case errors.Is(err, syscall.EAGAIN): // which also calls itself a timeout
		return QueueFull
	case errors.As(err, &timeout) && timeout.Timeout():
		return Timeout
	case errors.As(err, &errno):
		return errno.Error()
	}
	return Other
}
