//go:build unix

// Package natstest has servers of NATS for tests: one in the process of the test, or a cluster of three, which a
// test kills, stops and cuts off from each other.
package natstest

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// Serve runs a server in this process until the test ends: at a [Port] of the loopback interface, or the one of o,
// which may have set anything else but the host.
func Serve(t testing.TB, o *natsserver.Options) *natsserver.Server {
	t.Helper()
	o.Host, o.NoLog, o.NoSigs = "127.0.0.1", true, true
	if o.Port <= 0 {
		o.Port = Port(t)
	}
	// What this process has listened with is free once no process is being started: those have a copy.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	require.Eventually(t, func() bool {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", o.Port))
		return err == nil && l.Close() == nil
	}, frameworktest.Patience, time.Millisecond)
	s, err := natsserver.NewServer(o)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() { Stop(s) })
	if o.Cluster.Port == 0 { // else it needs the others
		require.True(t, s.ReadyForConnections(frameworktest.Patience))
	}
	return s
}

// Port returns a port of the loopback interface that no server but that of t can have.
func Port(t testing.TB) int {
	t.Helper()
	return int(netip.MustParseAddrPort(frameworktest.Address(t, "tcp")).Port())
}

// Stop ends a server before its test ends.
func Stop(s *natsserver.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// Disconnect drops all connections to a server, which come back after a moment.
func Disconnect(t testing.TB, s *natsserver.Server) {
	t.Helper()
	all, err := s.Connz(nil)
	require.NoError(t, err)
	for _, c := range all.Conns {
		_ = s.DisconnectClientByID(c.Cid)
	}
}
