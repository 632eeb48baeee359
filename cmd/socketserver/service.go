package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/cmd/socketserver/systemd"
	"github.com/go-socketserver/socketserver/internal/text"
)

// notifySystemd tells systemd that the servers run and, when ctx is done or ended is called,
// that they stop. The watchdog is pinged as long as the supervisor and its servers answer.
func notifySystemd(ctx context.Context, n *systemd.Notifier, servers *supervisor.Supervisor, log hclog.Logger) (ended func()) {
	for _, s := range servers.Unclaimed() {
		log.Warn("no server uses a socket that was passed to this process, and its clients wait", "name", s.Name, "network", s.Network, "address", s.Address,
			"next", "write a server with that address, or remove it from the socket unit")
	}
	alive := func() { servers.Status() }
	n.Ready(fmt.Sprintf("serving %s", text.Counted(len(servers.Status()), "server")))
	rest := n.Watch(alive)
	var once sync.Once
	stopping := func() {
		once.Do(func() {
			n.Stopping("waiting for requests to end")
			watchdog, extended := rest, n.Extend(alive)
			rest = func() { watchdog(); extended() }
		})
	}
	cancel := context.AfterFunc(ctx, stopping)
	return func() {
		cancel()
		stopping()
		rest()
	}
}
