package framework

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/store"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

var (
	// ErrServerClosed is returned by ServeForever and HandleRequest of a server that has stopped or
	// retired, and by a strategy for a request that came too late.
	ErrServerClosed = worker.ErrServerClosed

	// ErrPeerGone is wrapped, with the system's error, by that of a read or write if the client has
	// left or reset the connection.
	ErrPeerGone = conn.ErrPeerGone

	// ErrWorkerGone is wrapped by the error of a request whose process has ended, as by a signal.
	ErrWorkerGone = worker.ErrGone

	// ErrLineTooLong is what a read of a line returns beyond MaxLine.
	ErrLineTooLong = conn.ErrLineTooLong

	// ErrNoKey, ErrExists and ErrConflict are wrapped by errors of a [State]: there is no such key, there is one
	// already, and it has another revision.
	ErrNoKey    = store.ErrNoKey
	ErrExists   = store.ErrExists
	ErrConflict = store.ErrConflict

	// ErrNotSupported is returned by systems that cannot hand a socket to a process.
	ErrNotSupported = errors.New("framework: forking and plugins need Linux; use synchronous or threading with a handler that is compiled in")
)

// A PanicError is what a handler's panic becomes.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// protect turns a panic into an error.
func protect(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return f()
}
