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

	// Ended is that of a conversation which the server ends after its first answer.
	Ended = "ended"
)

var errWrongAnswer = errors.New(WrongAnswer)

var kinds = []struct {
	err  error
	kind string
}{
	{io.EOF, ClosedEarly},
	{errWrongAnswer, WrongAnswer},
	{syscall.ECONNREFUSED, Refused},
	{syscall.ECONNRESET, Reset},
	{syscall.EPIPE, Reset},
	{syscall.ECONNABORTED, Reset},
	{syscall.EADDRNOTAVAIL, OutOfPorts},
	{syscall.EMFILE, OutOfDescriptors},
	{syscall.ENFILE, OutOfDescriptors},
	{syscall.EAGAIN, QueueFull}, // before Timeout, as its Timeout method is true, too
}

// kind returns the kind of err.
func kind(err error) string {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	var timeout net.Error
	var errno syscall.Errno
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return Timeout
	case errors.As(err, &errno):
		return errno.Error()
	}
	return Other
}
