// Package subject runs servers under test, each in a process of its own, so that what it
// costs can be measured and it may die.
//
// The process is this very command, started again: it needs no toolchain, nor any other
// program. [Become] is its side of it, [Start] and [Subject] are the parent's. What a
// handler that is compiled in does as a plugin is tried with this command as the plugin.
// Servers of CPython are started with the program that lies beside this file.
//
// The parent adopts what a server leaves behind when it ends: [Subject.Stop] finds, counts
// and ends that. Where the parent itself is killed the server sees the end of its standard
// input, ends, and removes what is its own.
package subject

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap/experiment"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers"
)

// A Spec is one server under test. It crosses to the process as JSON.
type Spec struct {
	// Name is unique, as in result.Subject.
	Name string
	// Form is compiled, plugin or python, see result.Subject. A handler that is compiled
	// in, too, can be tried as a plugin.
	Form string
	// Server is what package config makes of a server block. It listens on the first of
	// its transports, but at an address of its own: a free port of 127.0.0.1, or a socket in
	// a directory that nobody else can enter. Its Class is not used.
	Server config.Server
	// Executable is the program of a plugin that Server names.
	Executable string
}

// check says what is wrong with s; the error ends with what to do.
func (s *Spec) check() error {
	kind := s.Server.Handler.Kind
	switch {
	case len(s.Server.Transports) == 0:
		return errors.New("there is no transport; give the server one")
	case !slices.Contains([]string{result.Compiled, result.Plugin, result.Python}, s.Form):
		return fmt.Errorf("there is no form %q; choose compiled, plugin or python", s.Form)
	case kind == "plugin" && s.Form == result.Compiled:
		return fmt.Errorf("%q is a plugin and can only be tried as one", s.Server.Handler.Name)
	case kind == "plugin" && s.Form == result.Plugin && s.Executable == "":
		return fmt.Errorf("plugin %q has no program; build it first", s.Server.Handler.Name)
	case kind == "handler":
		if _, ok := lookup(s.Server.Handler.Name); !ok {
			return fmt.Errorf("there is no handler %q", s.Server.Handler.Name)
		}
	}
	return nil
}

// lookup finds a handler of this program.
func lookup(name string) (framework.Constructor, bool) {
	if name == experiment.Name {
		return experiment.Constructor, true
	}
	return handlers.Lookup(name)
}

// An assignment is what the process is told first, as a line of JSON.
type assignment struct {
	Spec      Spec
	Directory string // of its own, for sockets and temporary files; it is also TMPDIR
}

// A report is what the process says on its standard output, as lines of JSON: that it
// listens, and what it has done when it ends.
type report struct {
	Network string `json:"network,omitempty"`
	Address string `json:"address,omitempty"`
	Started *int64 `json:"started,omitempty"` // processes
}
