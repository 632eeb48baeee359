// Package websocket is a layer that serves browsers: what a handler reads and writes travels in
// WebSocket messages (RFC 6455), so that every handler of connections has clients on web pages.
package websocket

import (
	"context"
	"net"

	"github.com/go-socketserver/socketserver/framework"
)

// Options are the choices of a [Layer].
type Options struct {
	// Path is that of the URL, as "/chat". Empty means "/".
	Path string `json:"path"`
	// Origins are the pages that may connect, as "https://example.com"; "*" stands for all. Where it
	// is empty those of the host and port that they connect to may; from this machine and without TLS only
	// if that host is localhost or an IP address, as any other name may be one that the page has had lead here. Clients
	// that are no browsers name no origin and may always connect.
	Origins []string `json:"origins,omitempty"`
	// Subprotocol is the one that the server speaks, for clients that ask for it. A client that asks
	// for others only is refused. Empty: none.
	Subprotocol string `json:"subprotocol,omitempty"`
	// Binary has messages carry bytes as they are: a read of the handler gets one message, or as
	// much of it as fits, and each write is a message. Otherwise messages are lines of text: what the
	// handler reads ends with a newline, and each line that it writes is a message without it.
	Binary bool `json:"binary,omitempty"`
}

// A Layer makes connections those of WebSocket.
type Layer struct{ options Options }

// New returns a layer.
func New(o Options) *Layer {
	if o.Path == "" {
		o.Path = "/"
	}
	return &Layer{o}
}

var _ framework.Layer = (*Layer)(nil)

// Wrap implements [framework.Layer]: it answers the request to upgrade, or refuses it with a status of HTTP.
func (l *Layer) Wrap(_ context.Context, c net.Conn) (net.Conn, error) {
	return l.options.upgrade(c)
}
