package cluster

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/internal/natsclient/natstest"
)

// What answers in the place of daemons neither holds up who asks nor fills its memory.
func TestAnswersAreBounded(t *testing.T) {
	server := natstest.Serve(t, &natsserver.Options{})
	l, err := Join(config.Cluster{URL: server.ClientURL(), Name: "c"}, hclog.NewNullLogger(), func() any { return map[string]int{"pid": 1} })
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, l.Conn.Flush())
	all, err := l.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)

	liar, err := nats.Connect(server.ClientURL())
	require.NoError(t, err)
	defer liar.Close()
	for name, c := range map[string]struct {
		answer string
		times  int
		pause  time.Duration
	}{
		"bytes":   {strings.Repeat("x", 900_000), 30, 0},
		"objects": {"[" + strings.Repeat("{},", 100_000) + "{}]", 4, 0},
		"number":  {"{}", 2 * maxAnswers, 0},
		"time":    {"{}", 1000, quiet / 5},
	} {
		t.Run(name, func(t *testing.T) {
			over := make(chan struct{})
			defer close(over)
			lies, err := liar.Subscribe("$SRV.STATS.>", func(m *nats.Msg) {
				for range c.times {
					_ = m.Respond([]byte(c.answer))
					select {
					case <-time.After(c.pause):
					case <-over:
						return
					}
				}
			})
			require.NoError(t, err)
			defer func() { require.NoError(t, lies.Unsubscribe()) }()
			require.NoError(t, liar.Flush())
			l.within, l.quiet = maxTime, frameworktest.Patience
			if name == "time" {
				l.within = 4 * quiet
			}
			_, err = l.Status(t.Context())
			require.ErrorIs(t, err, errTooMuch)
		})
	}
}

// A daemon with a status that NATS does not take is not left out in silence, of any version.
func TestStatusIsTooLarge(t *testing.T) {
	server := natstest.Serve(t, &natsserver.Options{MaxPayload: 32 << 10})
	l, err := Join(config.Cluster{URL: server.ClientURL(), Name: "c"}, hclog.NewNullLogger(), func() any { return map[string]string{"x": strings.Repeat("x", 20<<10)} })
	require.NoError(t, err)
	defer l.Close()
	older, err := nats.Connect(server.ClientURL())
	require.NoError(t, err)
	defer older.Close()
	_, err = micro.AddService(older, micro.Config{
		Name: l.Service.Info().Name, Version: "1.0.0", QueueGroupDisabled: true,
		Endpoint:     &micro.EndpointConfig{Subject: "older", Handler: micro.HandlerFunc(func(micro.Request) {})},
		StatsHandler: func(*micro.Endpoint) any { return strings.Repeat("x", 40<<10) },
	})
	require.NoError(t, err)
	for _, conn := range []*nats.Conn{l.Conn, older} {
		require.NoError(t, conn.Flush())
	}
	l.quiet = 8 * quiet // for the second one, on a loaded machine
	all, err := l.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
	for _, a := range all {
		var p Problem
		require.NoError(t, json.Unmarshal(a.Status, &p))
		if a.Machine == "?" {
			require.Contains(t, p.Problem, "maximum payload exceeded")
		} else {
			require.Equal(t, Problem{os.Getpid(), "its status has 20488 bytes, and NATS takes 16384; set a larger max_payload there"}, p)
		}
	}
}
