package kv

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
)

func TestMain(m *testing.M) {
	framework.ServeWorker(remote) // this program is its own worker
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	hclog.SetDefault(hclog.NewNullLogger())
	os.Exit(m.Run())
}

// An operation is what a client asks of the state, one line of JSON.
type operation struct {
	Verb     string `json:"verb"`
	Key      string `json:"key"`
	Value    string `json:"value"`
	Revision uint64 `json:"revision"`
	N        int64  `json:"n"`
}

// A result is the answer. One that is not known has Err "unknown".
type result struct {
	Value    string `json:"value"`
	Revision uint64 `json:"revision"`
	N        int64  `json:"n"`
	Err      string `json:"err"`
}

// remote does what its lines say.
var remote = framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
	return &framework.HandlerClass{New: func() framework.Handler { return &operating{} }, UsesState: true}, nil
})

type operating struct{ framework.StreamRequestHandler }

func (h *operating) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	for {
		line, err := rfile.ReadBytes('\n')
		if err != nil {
			return err
		}
		var o operation
		if err := json.Unmarshal(line, &o); err != nil {
			return err
		}
		if err := json.NewEncoder(wfile).Encode(perform(h.Context(), h.State(), o)); err != nil {
			return err
		}
	}
}

// perform does o.
func perform(ctx context.Context, s framework.State, o operation) (r result) {
	var err error
	switch o.Verb {
	case "get":
		var value []byte
		value, r.Revision, err = s.Get(ctx, o.Key)
		r.Value = string(value)
	case "create":
		r.Revision, err = s.Create(ctx, o.Key, []byte(o.Value))
	case "update":
		r.Revision, err = s.Update(ctx, o.Key, []byte(o.Value), o.Revision)
	case "delete":
		err = s.Delete(ctx, o.Key)
	case "add":
		r.N, err = s.Add(ctx, o.Key, o.N)
	}
	for name, kind := range map[string]error{"no key": framework.ErrNoKey, "exists": framework.ErrExists, "conflict": framework.ErrConflict} {
		if errors.Is(err, kind) {
			return result{Err: name}
		}
	}
	if err != nil {
		return result{Err: err.Error()}
	}
	return r
}

// openState opens the state of a server, which the test closes.
func openState(t testing.TB, server string, how config.State) framework.State {
	t.Helper()
	var b Backends
	s, closeState, err := b.Open(t.Context(), server, how, hclog.NewNullLogger())
	require.NoError(t, err)
	t.Cleanup(closeState)
	return s
}

func fileState(t testing.TB) config.State {
	return config.State{Backend: "file", Path: t.TempDir(), Sync: time.Minute, Bucket: "test"}
}

func natsState(s *natsserver.Server) config.State {
	return config.State{Backend: "nats", URL: s.ClientURL(), Bucket: "test"}
}
