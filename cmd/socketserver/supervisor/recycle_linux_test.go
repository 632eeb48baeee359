package supervisor

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
)

// testProcess is an executor of a plugin whose process is that of the test.
type testProcess struct {
	framework.Executor
	began    time.Time
	restarts int64
}

func (p *testProcess) Process() (int, time.Time) { return os.Getpid(), p.began }
func (p *testProcess) Problem() error            { return nil }
func (p *testProcess) Restarts() int64           { return p.restarts }

// A process is replaced when it has served enough, and each that follows it a minute after its start at the
// earliest.
func TestRecyclesAreRare(t *testing.T) {
	for _, c := range []struct {
		name    string
		limits  config.Recycle
		served  int64
		follows bool
		after   time.Duration
		why     string
		warning string
	}{
		{"requests", config.Recycle{Requests: 1}, 1, false, 0, "it has had 1 request", ""},
		{"requests of a next one", config.Recycle{Requests: 2}, 2, true, recycleInterval, "it has had 2 requests", ""},
		{"age", config.Recycle{After: time.Hour}, 1, true, time.Hour, "it has run for 1h0m0s", ""},
		{"memory", config.Recycle{Memory: 1}, 1, false, 0, "MiB of memory", ""},
		{"memory at the start", config.Recycle{Memory: 1}, 0, false, recycleInterval, "MiB of memory", "raise recycle.memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				began := time.Now()
				i := &Instance{
					log: hclog.New(&hclog.LoggerOptions{Output: &log}), config: &config.Server{Recycle: c.limits}, follows: c.follows,
					class: newClass(&framework.HandlerClass{Executor: &testProcess{began: began}}), servers: []*framework.BaseServer{{}},
					retired: t.Context(),
				}
				i.class.served.Store(c.served)
				i.recycle(t.Context(), func(_ context.Context, _, why string) error {
					require.Contains(t, why, c.why)
					return nil
				})
				require.Equal(t, c.after, time.Since(began))
				require.Equal(t, c.warning != "", strings.Contains(log.String(), "[WARN]"))
				require.Contains(t, log.String(), c.warning)
			})
		})
	}
}

// What a process has served that has ended does not count against the next one.
func TestRestartedProcessBeginsAnew(t *testing.T) {
	plugin := &testProcess{began: time.Now().Add(-time.Hour)}
	i := &Instance{class: newClass(&framework.HandlerClass{Executor: plugin})}
	limits := config.Recycle{After: time.Minute, Requests: 1}
	i.class.serve()
	why, _ := i.worn(limits)
	require.Equal(t, "it has had 1 request", why)
	plugin.began, plugin.restarts = time.Now(), 1
	why, wait := i.worn(limits)
	require.Empty(t, why)
	require.Greater(t, wait, time.Minute/2)
}

// A try ends with the daemon, which does not wait for it.
func TestRecycleEndsWithTheDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &framework.BaseServer{}
		i := &Instance{
			config: &config.Server{Recycle: config.Recycle{After: time.Second}},
			class:  newClass(&framework.HandlerClass{}), servers: []*framework.BaseServer{server}, retired: t.Context(),
		}
		ctx, stop := context.WithCancel(t.Context())
		i.recycle(ctx, func(ctx context.Context, _, _ string) error {
			stop()
			<-ctx.Done()
			server.Stop()
			return ctx.Err()
		})
	})
}
