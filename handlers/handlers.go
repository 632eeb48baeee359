// Package handlers names the handlers that are compiled in.
package handlers

import (
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/proxyproto"
	"github.com/go-socketserver/socketserver/handlers/chat"
	"github.com/go-socketserver/socketserver/handlers/command"
	"github.com/go-socketserver/socketserver/handlers/counter"
	"github.com/go-socketserver/socketserver/handlers/echo"
	"github.com/go-socketserver/socketserver/handlers/sink"
	"github.com/go-socketserver/socketserver/handlers/timestamp"
)

// An Entry is a handler that is compiled in.
type Entry struct {
	Name        string // in a configuration
	Doc         string // half a sentence about what it does
	Constructor framework.Constructor
}

// Table lists the handlers in the order of their names. A handler is compiled in only by a line
// here.
var Table = []Entry{
	{"chat", "relays what clients say to each other", chat.Constructor},
	{"command", "tells the time, the system and what lies in a directory", command.Constructor},
	{"counter", "counts lines, of all clients and in whatever process", counter.Constructor},
	{"echo", "sends back what it receives", echo.Constructor},
	{"sink", "logs what it receives and never answers", sink.Constructor},
	{"timestamp", "answers every message with the time and the message", timestamp.Constructor},
}

// Lookup returns the constructor of a handler.
func Lookup(name string) (framework.Constructor, bool) {
	for _, e := range Table {
		if e.Name == name {
			return e.Constructor, true
		}
	}
	return framework.Constructor{}, false
}

// ServeWorker is [framework.ServeWorker] with the handlers of Table, followed by more. It also
// sets the build of the program, so that a server does not use a worker built from other sources, and
// has its workers read PROXY headers.
func ServeWorker(more ...framework.Constructor) {
	framework.Build, framework.RestorePreamble = Build, proxyproto.Restore
	constructors := make([]framework.Constructor, len(Table), len(Table)+len(more))
	for i, e := range Table {
		constructors[i] = e.Constructor
	}
	framework.ServeWorker(append(constructors, more...)...)
}
