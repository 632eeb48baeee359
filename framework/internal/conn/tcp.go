package conn

import (
	"net"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// TCPOptions are those of a TCP connection that may differ from package net's own. A worker
// sets them again, as package net sets its own when it makes a connection of a descriptor.
type TCPOptions struct {
	Nagle     bool
	KeepAlive time.Duration // 0: 15 s; less than 0: no probes
}

// OptionsOf returns the options that Describe has put into f.
func OptionsOf(f *handoff.Frame) TCPOptions {
	return TCPOptions{f.Flags&handoff.Nagle != 0, time.Duration(f.KeepAlive) * time.Millisecond}
}

// Describe puts the options into f.
func (o TCPOptions) Describe(f *handoff.Frame) {
	if o.Nagle {
		f.Flags |= handoff.Nagle
	}
	f.KeepAlive = int32(o.KeepAlive.Milliseconds())
	if o.KeepAlive < 0 {
		f.KeepAlive = -1
	}
}

// Apply sets the options of conn, if that is a TCP connection.
func (o TCPOptions) Apply(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	if o.Nagle {
		_ = tcp.SetNoDelay(false)
	}
	_ = tcp.SetKeepAliveConfig(o.Probes())
}

// Probes returns the keep-alive configuration: three probes, where Go sends nine.
func (o TCPOptions) Probes() net.KeepAliveConfig {
	if o.KeepAlive < 0 {
		return net.KeepAliveConfig{}
	}
	idle := o.KeepAlive
	if idle == 0 {
		idle = 15 * time.Second
	}
	return net.KeepAliveConfig{Enable: true, Idle: idle, Interval: max(idle/3, time.Second), Count: 3}
}
