// Package subject runs servers under test, each in a process of its own, so that its cost can be
// measured and it may crash.
//
// The process is this command, started again: it needs no toolchain and no other program.
// [Become] is the child's side, [Start] and [Subject] are the parent's. A compiled-in handler
// runs as a plugin with this command as the plugin. Servers of CPython run peer.py, which is
// embedded.
//
// The parent is a child subreaper: [Subject.Stop] finds, counts and ends the processes that a
// server leaves behind. If the parent is killed the server reads the end of its standard input,
// stops, and removes its directory.
package subject

import (
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap/experiment"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers"
)

// A Spec is one server under test. It crosses to the process as JSON.
type Spec struct {
	// Name is unique, as in result.Subject.
	Name string
	// Form is compiled, plugin or python, see result.Subject. A compiled-in handler can run as a
	// plugin, too.
	Form string
	// Server is a parsed server block. It listens on its first transport, at an address of the
	// subject's own: a free port of 127.0.0.1, or a socket in a private directory. Its Class is
	// not used.
	Server config.Server
	// Executable is the program of a plugin that Server names.
	Executable string
}

// lookup finds a handler of this program.
func lookup(name string) (framework.Constructor, bool) {
	if name == experiment.Name {
		return experiment.Constructor, true
	}
	return handlers.Lookup(name)
}

// An assignment is the first line that the process reads, as JSON.
type assignment struct {
	Spec      Spec
	Directory string // for sockets and temporary files; also TMPDIR
}

// A report is a line of JSON on the process's standard output: the address when it listens, the
// number of started processes when it ends.
type report struct {
	Network string `json:"network,omitempty"`
	Address string `json:"address,omitempty"`
	Started *int64 `json:"started,omitempty"` // processes
}
