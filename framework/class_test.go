package framework_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A default of the idle timeout is not for the clients of a quiet class, and one that
// somebody has asked for is.
func TestQuiet(t *testing.T) {
	for _, isDefault := range []bool{true, false} {
		c := class(t, act)
		c.Quiet = true
		s := newServer["tcp"](t, c)
		s.Strategy = &framework.Threading{}
		s.Timeouts = framework.Timeouts{Idle: 50 * time.Millisecond, IdleIsDefault: isDefault}
		frameworktest.Serve(t, s)
		conn := frameworktest.Dial(t, s)
		if !isDefault {
			frameworktest.ExpectEnd(t, conn)
			continue
		}
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
		_, err := conn.Read(make([]byte, 1))
		require.ErrorContains(t, err, "i/o timeout")
		require.Zero(t, s.Timeouts.Idle)
	}
}

// The first server of a class opens it, under its name, where the handlers run; the last one
// closes it.
func TestClassOpen(t *testing.T) {
	for name, strategy := range newStrategy {
		t.Run(name, func(t *testing.T) {
			var calls []string
			c := class(t, act)
			c.Open = func(server string, _ hclog.Logger) error { calls = append(calls, "open "+server); return nil }
			c.Close = func() error { calls = append(calls, "close"); return nil }
			first, second := newServer["tcp"](t, c), newServer["tcp"](t, c)
			first.Name, second.Name = "first", "second"
			first.Strategy, second.Strategy = strategy(), strategy()
			require.NoError(t, first.Listen())
			require.NoError(t, second.Listen())
			require.NoError(t, first.Close())
			require.NoError(t, second.Close())
			if name == "synchronous" || name == "threading" {
				require.Equal(t, []string{"open first", "close"}, calls)
			} else {
				require.Equal(t, []string{"close"}, calls)
			}
		})
	}
}

// What could not listen may try again.
func TestListenAgain(t *testing.T) {
	for network := range newServer {
		t.Run(network, func(t *testing.T) {
			c := class(t, echo)
			failures := []error{errors.New("no"), nil}
			c.Open = func(string, hclog.Logger) error { err := failures[0]; failures = failures[1:]; return err }
			s := newServer[network](t, c)
			s.Strategy = &framework.Threading{}
			require.EqualError(t, s.Listen(), "open handler class: no")
			frameworktest.Serve(t, s)
			require.Equal(t, "hello\n", ask(t, s, "hello\n"))
		})
	}
}

// A class that cannot be opened keeps its server from listening, and is closed by nobody.
func TestClassOpenFails(t *testing.T) {
	c := class(t, act)
	c.Open = func(string, hclog.Logger) error { return errors.New("no") }
	c.Close = func() error { t.Error("closed"); return nil }
	s := newServer["tcp"](t, c)
	s.Strategy = &framework.Threading{}
	require.EqualError(t, s.Listen(), "open handler class: no")
	require.NoError(t, s.Close())
	c.Open, c.Close = nil, nil
	again := newServer["tcp"](t, c)
	require.NoError(t, again.Listen())
	require.NoError(t, again.Close())
}
