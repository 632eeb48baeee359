package kv

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/internal/natsclient/natstest"
)

// BenchmarkLeaderLoss is the time from a SIGKILL of the node that leads the counters to the first addition that is acknowledged:
// by NATS itself, which is asked every 50 ms, and to each of four clients of a state, which count without a pause. Elections of NATS
// take seconds: have -benchtime 20x.
func BenchmarkLeaderLoss(b *testing.B) {
	nodes := natstest.Start(b)
	var backends Backends
	state, closeState, err := backends.Open(b.Context(), "s", config.State{Backend: "nats", URL: nodes.URL(), Bucket: "test"}, hclog.NewNullLogger())
	require.NoError(b, err)
	b.Cleanup(closeState)
	asks, err := nats.Connect(nodes.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	require.NoError(b, err)
	b.Cleanup(asks.Close)
	var byNATS, byState []time.Duration
	for b.Loop() {
		leader := nodes.All[awaitLeader(b, nodes, state.(*bucket).counters)]
		var killed atomic.Pointer[time.Time]
		clients := make(chan time.Duration, 4)
		for n := range cap(clients) {
			go func() { clients <- firstAdded(b.Context(), state, fmt.Sprint("n", n), &killed) }()
		}
		leader.End(syscall.SIGKILL)
		now := time.Now()
		killed.Store(&now)
		byNATS = append(byNATS, firstAnswered(b.Context(), asks, state.(*bucket).subject("$COUNT", "asked"), now))
		for range cap(clients) {
			byState = append(byState, frameworktest.Await(b, clients))
		}
		leader.Start(b)
	}
	for name, all := range map[string][]time.Duration{"nats": byNATS, "state": byState} {
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2].Seconds(), name+"-p50-s")
		b.ReportMetric(all[len(all)-1].Seconds(), name+"-max-s")
	}
}

// firstAdded adds without a pause, and returns when the first addition that began after the loss was acknowledged.
func firstAdded(ctx context.Context, state framework.State, key string, killed *atomic.Pointer[time.Time]) time.Duration {
	for {
		began := killed.Load()
		if _, err := state.Add(ctx, key, 1); err == nil && began != nil {
			return time.Since(*began)
		}
	}
}

// firstAnswered adds each 50 ms, whether or not the additions before were answered.
func firstAnswered(ctx context.Context, conn *nats.Conn, subject string, killed time.Time) time.Duration {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	answered := make(chan time.Duration)
	for {
		asking.Go(func() {
			m, err := conn.RequestMsgWithContext(ctx, &nats.Msg{Subject: subject, Header: nats.Header{"Nats-Incr": {"1"}}})
			if err == nil && bytes.Contains(m.Data, []byte(`"val"`)) {
				select {
				case answered <- time.Since(killed):
				case <-ctx.Done():
				}
			}
		})
		select {
		case took := <-answered:
			return took
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// awaitLeader waits until all nodes have a stream, and returns which leads.
func awaitLeader(t testing.TB, nodes *natstest.Nodes, s jetstream.Stream) (leader int) {
	t.Helper()
	require.Eventually(t, func() bool {
		info, err := s.Info(t.Context())
		if err != nil || info.Cluster == nil || len(info.Cluster.Replicas) != 2 {
			return false
		}
		leader = slices.IndexFunc(nodes.All[:], func(n *natstest.Node) bool { return n.Name == info.Cluster.Leader })
		return leader >= 0 && !slices.ContainsFunc(info.Cluster.Replicas, func(p *jetstream.PeerInfo) bool { return p.Offline || !p.Current })
	}, frameworktest.Patience, 100*time.Millisecond)
	return leader
}
