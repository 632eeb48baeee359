package plugin

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/internal/text"
)

// A Kind is how the program of a plugin serves requests.
type Kind string

// The kinds. What a file is is found out by looking at it, never by running it.
const (
	Go     Kind = "go"     // source, or a program that speaks PROTOCOL.md
	Python Kind = "python" // a script that imports socketserver
	Worker Kind = "worker" // PROTOCOL.md's descriptor 3 without gRPC; only where a definition says so
	Stdio  Kind = "stdio"  // any other executable: the connection is descriptors 0 and 1
	Wasm   Kind = "wasm"   // a WebAssembly module
)

// Kinds are all kinds, for messages.
var Kinds = []Kind{Go, Python, Worker, Stdio, Wasm}

// A Definition says how a plugin runs. What is not set is found out by [Prepare], which returns
// a complete one for [Open].
type Definition struct {
	Kind Kind
	Why  string // how Prepare found the kind, as a phrase
	// Path is that of a file or directory, relative to the directory of plugins; empty: the plugin's
	// name. Prepare returns the path of an executable, script or module, which Open opens once; a
	// script is opened at each start by its interpreter.
	Path    string
	Command string   // the name that the program is started by, in place of the plugin's
	Args    []string // without the name; forked children get them, too

	Environment      []string           // in addition to what children get of the server's, as NAME=VALUE
	WorkingDirectory string             // empty: that of the file
	Declared         []framework.Option // options of a kind that cannot be asked for them
	// Limits bound each of its processes. A module has Memory alone, for each instance.
	Limits  framework.Restrictions
	Sandbox *framework.Sandbox // of each of its processes; nil: it may use all
	Restart Restart

	// Sum is what the file, or the source, must have, see [Identify]; empty: it may be any, unless there
	// is a Lock.
	Sum    string
	Lock   *Lock `json:"-"` // has Sum where that is empty, and refuses what it does not have; nil: there is none
	Locked bool  // Sum is Lock's; set by Prepare
}

// A Restart is how often a process that is kept may end by itself, or not start, before requests are
// refused for 30 seconds. One that a request may have ended does not count.
type Restart struct {
	Max         int           // 0: 5
	Within      time.Duration // 0: a minute
	Unavailable string        // what clients are sent meanwhile; empty: the banner of the server's limits
}

// OpenWasm makes the class of a module, from all of its settings but Declared and Options: Environment
// has the options. A program that runs modules sets it before it uses this package, which would link a
// compiler into each plugin otherwise.
var OpenWasm func(context.Context, Settings) (*framework.HandlerClass, error)

// Hint returns which of the names was meant, some of which are of plugins, or what there is. A plugin may be called
// without its extension.
func Hint(name string, names []string) string {
	spellings := slices.Clone(names)
	for _, n := range names {
		if short := strings.TrimSuffix(n, filepath.Ext(n)); short != n {
			spellings = append(spellings, short)
		}
	}
	all := "there are none"
	if len(names) > 0 {
		all = "there are " + strings.Join(names, ", ")
	}
	return text.Hint(name, spellings, all)
}
