package framework

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

var (
	// ErrServerClosed is returned by ServeForever and HandleRequest once the server
	// has been told to stop, and by a strategy for a request that came too late.
	ErrServerClosed = errors.New("framework: server closed")

	// ErrPeerGone is what reads and writes return when the client has reset or left
	// the connection. The system's error is wrapped beside it.
	ErrPeerGone = errors.New("framework: client has gone")

	// ErrNotSupported is returned where the system has no processes that can be
	// handed a socket: Forking and plugins need Linux.
	ErrNotSupported = errors.New("framework: forking and plugins need Linux; use synchronous or threading with a handler that is compiled in")
)

// errDropped ends a datagram that has been counted already.
var errDropped = errors.New("framework: datagram dropped")

// A PanicError is what a handler's panic becomes.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// errOver is returned by wfile when its handler has finished.
var errOver = errors.New("framework: wfile used after the request was over")

// peerError marks the errors that mean that the client has gone.
func peerError(err error) error {
	if err == nil || isEnd(err) {
		return err
	}
	for _, gone := range []error{syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		if errors.Is(err, gone) {
			return fmt.Errorf("%w: %w", ErrPeerGone, err)
		}
	}
	return err
}

// routine says whether an error is part of a client's ordinary life: it left, it
// fell silent, or it was cut off by a shutdown that has logged that.
func routine(err error) bool {
	return errors.Is(err, ErrPeerGone) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, ErrServerClosed) || errors.Is(err, errDropped)
}

// isEnd says whether an error is the regular end of what the client sends.
func isEnd(err error) bool { return errors.Is(err, io.EOF) }

// protect turns a panic into an error.
func protect(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = newPanicError(p)
		}
	}()
	return f()
}
