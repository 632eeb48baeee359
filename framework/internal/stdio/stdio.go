// Package stdio runs programs that serve requests on their standard input and output: a process
// for each request, whose descriptors 0 and 1 are the connection itself.
package stdio

import (
	"context"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/logline"
	"github.com/go-socketserver/socketserver/framework/internal/process"
)

// A Run is a program that serves one request.
type Run struct {
	Command  process.Command // without files
	Timeouts *conn.Timeouts
	Stop     context.Context // done when the program is to end soon
	Log      *logline.Relay  // of descriptor 2
	// Killable is called with what ends the process, once it is there.
	Killable func(pid int, kill func())

	// In and Out are the bytes from the client and to it, set when a connection has been served. They
	// are less than 0 where nobody counts them: a Unix socket that the program itself has.
	In, Out int64
}
