package framework

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

var (
	// ErrServerClosed is returned by ServeForever and HandleRequest once the server
	// has been told to stop or to retire, and by a strategy for a request that came too late.
	ErrServerClosed = worker.ErrServerClosed

	// ErrPeerGone is what reads and writes return when the client has reset or left
	// the connection. The system's error is wrapped beside it.
	ErrPeerGone = conn.ErrPeerGone

	// ErrLineTooLong is what a read of a line returns beyond MaxLine.
	ErrLineTooLong = conn.ErrLineTooLong

	// ErrNotSupported is returned where the system has no processes that can be
	// handed a socket: Forking and plugins need Linux.
	ErrNotSupported = errors.New("framework: forking and plugins need Linux; use synchronous or threading with a handler that is compiled in")
)

// A PanicError is what a handler's panic becomes.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// isEnd reports whether an error is the regular end of what the client sends.
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
