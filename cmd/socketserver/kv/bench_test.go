package kv

import (
	"sync"
	"sync/atomic"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/internal/natsclient/natstest"
)

// BenchmarkGet compares a get of a state with that of nats.go.
func BenchmarkGet(b *testing.B) {
	s := openState(b, "s", natsState(natstest.Serve(b, &natsserver.Options{JetStream: true, StoreDir: b.TempDir()}))).(*bucket)
	_, err := s.Create(b.Context(), "a", []byte("value"))
	require.NoError(b, err)
	b.Run("nats.go", func(b *testing.B) {
		for b.Loop() {
			_, err := s.kv.Get(b.Context(), "a")
			require.NoError(b, err)
		}
	})
	b.Run("state", func(b *testing.B) {
		for b.Loop() {
			_, _, err := s.Get(b.Context(), "a")
			require.NoError(b, err)
		}
	})
	b.Run("file", func(b *testing.B) {
		s := openState(b, "s", fileState(b))
		_, err := s.Create(b.Context(), "a", []byte("value"))
		require.NoError(b, err)
		for b.Loop() {
			_, _, err := s.Get(b.Context(), "a")
			require.NoError(b, err)
		}
	})
}

// BenchmarkCounter has 64 clients add to one counter: by nats.go itself, and by a state.
func BenchmarkCounter(b *testing.B) {
	s := openState(b, "s", natsState(natstest.Serve(b, &natsserver.Options{JetStream: true, StoreDir: b.TempDir()}))).(*bucket)
	adders := map[string]func() error{
		"nats.go": func() error {
			m := nats.NewMsg(s.subject("$COUNT", "a"))
			m.Header.Set("Nats-Incr", "1")
			_, err := s.js.PublishMsg(b.Context(), m)
			return err
		},
		"state": func() error { _, err := s.Add(b.Context(), "b", 1); return err },
	}
	file, memory := openState(b, "s", fileState(b)), framework.NewMemory()
	adders["file"] = func() error { _, err := file.Add(b.Context(), "b", 1); return err }
	adders["memory"] = func() error { _, err := memory.Add(b.Context(), "b", 1); return err }
	for _, name := range []string{"nats.go", "state", "file", "memory"} {
		b.Run(name, func(b *testing.B) {
			var left atomic.Int64
			left.Store(int64(b.N))
			var adding sync.WaitGroup
			for range 64 {
				adding.Go(func() {
					for left.Add(-1) >= 0 {
						if err := adders[name](); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			adding.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "adds/s")
		})
	}
}
