package report_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/internal/report"
)

// Handshakes that fail are counted though none follows, and each is there at level debug.
func TestHandshakesAreCountedAtTheEndOfTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := frameworktest.NewLog()
		log := hclog.New(&hclog.LoggerOptions{Output: out, Level: hclog.Debug, DisableTime: true})
		var p report.Reporter
		for range 20 {
			p.Handshake(log, log.With("client", "c"), errors.New("no certificate"))
		}
		require.Equal(t, 1, out.Count("[WARN]  client refused: handshake failed: client=c error=\"no certificate\"\n"))
		require.Equal(t, 19, out.Count("[DEBUG] client refused: handshake failed: client=c error=\"no certificate\"\n"))
		require.NotContains(t, out.String(), "more")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 1, out.Count("[WARN]  more clients refused: handshake failed: clients=19 next="))
	})
}
