// Package plugin lets handlers live in programs of their own. [Serve] is the whole main
// of such a program; [Open] is the server's side of it, and [Prepare] finds and builds
// what lies in a directory of plugins.
//
// A plugin process has two connections to its server. Control is gRPC over go-plugin:
// what the plugin is, its configuration, its health and its end. Requests do not pass
// through it: they arrive on descriptor 3, each connection as its descriptor, so that the
// plugin talks to the client itself. PROTOCOL.md describes both for other languages.
package plugin

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/plugin/control"
)

// Settings are those of a plugin of a server.
type Settings struct {
	Definition
	Name        string             // of the plugin, for the log and for ps
	Server      string             // the name of the server
	Concurrency string             // of the server, in the words of a configuration
	Options     []byte             // of its handler, as a JSON object; nil: the defaults
	Directory   string             // that relative paths among the options are joined to
	Timeouts    framework.Timeouts // of the server; Drain bounds Close, 0: 10 seconds
	MaxLine     int                // of the server
	Log         hclog.Logger       // of the server; nil: hclog.Default()

	// Workers bound the server's workers, for a kind that runs in them: of a Wasm one whose user is another one
	// the module is kept where that may read it.
	Workers framework.Restrictions
	// Cache is a directory for what is made of a module, set for OpenWasm; empty: it has one of its own.
	Cache string

	script  string        // that Path, an interpreter, reads; empty: it reads none, or one that it inherits
	started *atomic.Int64 // the id of the process that was started last
	sealed  string        // the path of what was checked, in place of Path; empty: nothing had to be
}

// File returns the path that the file of the plugin is to be opened by: that of what was checked, if
// anything had to be.
func (s *Settings) File() string { return cmp.Or(s.sealed, s.Path) }

// A Description describes a plugin.
type Description struct {
	Options  []framework.Option
	Networks []string // transports that it serves with default options
	Stateful string   // what it keeps in memory between requests; empty: nothing
}

// protocolVersion is that of the control service and of descriptor 3 together.
const protocolVersion = 1

// handshake is how a plugin knows that a server has started it.
var handshake = goplugin.HandshakeConfig{
	MagicCookieKey:   "SOCKETSERVER_PLUGIN",
	MagicCookieValue: "descriptor-3",
}

// asPlugin makes the control service a plugin in the sense of go-plugin.
type asPlugin struct {
	goplugin.NetRPCUnsupportedPlugin
	service control.ControlServer
}

func (l *asPlugin) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	control.RegisterControlServer(s, l.service)
	return nil
}

func (*asPlugin) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.ErrUnsupported // the server calls the service itself
}
