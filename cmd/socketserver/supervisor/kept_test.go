package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// counting is a block with the handler counter.
func counting(concurrency, options, more string) string {
	return fmt.Sprintf("\nserver \"n\" {\n%s\nconcurrency %q {}\nhandler \"counter\" { %s }\n%s\n}\n", anyPort, concurrency, options, more)
}

// State outlives what a reload replaces, and what the operator stops and starts, but not its server.
func TestStateOutlivesInstance(t *testing.T) {
	other := server("other", anyPort, `"threading" {}`, "", "")
	s := start(t, other+counting("threading", "", ""))
	next := func(want int) {
		t.Helper()
		conn := dial(t, s.status(t, "n").Listeners[0])
		require.Equal(t, fmt.Sprintln(want), frameworktest.Ask(t, conn, "\n"))
		require.NoError(t, conn.Close()) // or a stop waits for it
	}
	next(1)
	s.apply(t, other+counting("synchronous", "", "")) // another strategy
	next(2)
	s.apply(t, other+counting("synchronous", "step = 10", "")) // another class
	next(12)
	require.NoError(t, s.Stop(t.Context(), "n"))
	c := s.parse(t, other+counting("synchronous", "", ""))
	for _, server := range c.Servers {
		if server.Name == "n" {
			require.NoError(t, s.Start(t.Context(), server))
		}
	}
	next(13)
	s.apply(t, other)
	s.apply(t, other+counting("threading", "", ""))
	next(1)
}

// A state of another backend is opened before its server listens, and closed when nothing uses it. An error
// changes nothing.
func TestOpenState(t *testing.T) {
	var opened, closed int
	var refuse error
	s := supervisor.New(supervisor.Options{Log: hclog.NewNullLogger(), OpenState: func(_ context.Context, server string, how config.State, _ hclog.Logger) (framework.State, func(), error) {
		require.Equal(t, "n", server)
		require.Equal(t, "file", how.Backend)
		if refuse != nil {
			return nil, nil, refuse
		}
		opened++
		return framework.NewMemory(), func() { closed++ }, nil
	}})
	catalog := compiledIn{running: s.Class}
	apply := func(text string) error {
		c, err := config.Parse("servers.hcl", []byte(text), &catalog)
		require.NoError(t, err)
		_, err = s.Apply(t.Context(), c)
		return err
	}
	file := func(path string) string { return fmt.Sprintf("state {\nbackend = \"file\"\npath = %q\n}", path) }
	other := server("other", anyPort, `"threading" {}`, "", "")
	require.NoError(t, apply(other+counting("threading", "", file("a"))))
	require.NoError(t, apply(other+counting("synchronous", "", file("a"))))
	require.Equal(t, 1, opened)
	refuse = errors.New("the disk is full")
	require.EqualError(t, apply(other+counting("synchronous", "", file("b"))), `server "n": state: the disk is full`)
	require.Zero(t, closed)
	refuse = nil
	require.NoError(t, apply(other+counting("synchronous", "", file("b"))))
	require.Equal(t, 2, opened)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	s.Run(ctx)
	require.Equal(t, 2, closed)
	require.Zero(t, catalog.open())
}
