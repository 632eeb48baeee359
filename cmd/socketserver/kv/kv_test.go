package kv

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/internal/natsclient/natstest"
)

// Every backend has one meaning.
func TestBackendsAgree(t *testing.T) {
	server := natstest.Serve(t, &natsserver.Options{JetStream: true, StoreDir: t.TempDir()})
	for name, s := range map[string]framework.State{
		"memory": framework.NewMemory(), "file": openState(t, "s", fileState(t)), "nats": openState(t, "s", natsState(server)),
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			do := func(o operation) result { t.Helper(); return perform(ctx, s, o) }
			require.Equal(t, "no key", do(operation{Verb: "get", Key: "a/b"}).Err)
			require.Equal(t, "conflict", do(operation{Verb: "update", Key: "a/b", Value: "x"}).Err)
			first := do(operation{Verb: "create", Key: "a/b", Value: "one"})
			require.Empty(t, first.Err)
			require.Equal(t, "exists", do(operation{Verb: "create", Key: "a/b"}).Err)
			require.Equal(t, result{Value: "one", Revision: first.Revision}, do(operation{Verb: "get", Key: "a/b"}))
			second := do(operation{Verb: "update", Key: "a/b", Value: "", Revision: first.Revision})
			require.Greater(t, second.Revision, first.Revision)
			require.Equal(t, "conflict", do(operation{Verb: "update", Key: "a/b", Revision: first.Revision}).Err)
			require.Equal(t, result{Revision: second.Revision}, do(operation{Verb: "get", Key: "a/b"}))
			require.Equal(t, result{N: 3}, do(operation{Verb: "add", Key: "a/b", N: 3}))
			require.Equal(t, result{N: 6}, do(operation{Verb: "add", Key: "a/b", N: 3}))
			require.Equal(t, result{N: 6}, do(operation{Verb: "add", Key: "a/b"}))
			require.Empty(t, do(operation{Verb: "delete", Key: "a/b"}).Err)
			require.Empty(t, do(operation{Verb: "delete", Key: "absent"}).Err)
			require.Equal(t, "no key", do(operation{Verb: "get", Key: "a/b"}).Err)
			require.Equal(t, result{}, do(operation{Verb: "add", Key: "a/b"}))
			require.Equal(t, result{N: -4}, do(operation{Verb: "add", Key: "a/b", N: -4}))
			require.Equal(t, "conflict", do(operation{Verb: "update", Key: "a/b", Revision: second.Revision}).Err)
			again := do(operation{Verb: "create", Key: "a/b", Value: strings.Repeat("x", framework.MaxStateValue)})
			require.Greater(t, again.Revision, second.Revision)
			overflowing(t, s)
			watching(t, s)
		})
	}
}

// overflowing checks that a counter which would be beyond 64 bits stays as it is, whoever adds at the same time.
func overflowing(t *testing.T, s framework.State) {
	for key, to := range map[string]int64{"max": math.MaxInt64, "min": math.MinInt64} {
		_, err := s.Add(t.Context(), key, to)
		require.NoError(t, err)
		var all sync.WaitGroup
		for n := range int64(8) {
			all.Go(func() {
				sum, err := s.Add(t.Context(), key, to/(n+1))
				assert.ErrorContains(t, err, "the counter would be beyond 64 bits")
				assert.Zero(t, sum)
			})
		}
		all.Wait()
		sum, err := s.Add(t.Context(), key, 0)
		require.NoError(t, err)
		require.Equal(t, to, sum)
	}
}

// A number beyond 64 bits that another client of NATS has left is an error until it is brought back.
func TestCounterBeyond64Bits(t *testing.T) {
	server := natstest.Serve(t, &natsserver.Options{JetStream: true, StoreDir: t.TempDir()})
	s := openState(t, "s", natsState(server))
	require.Equal(t, result{N: math.MaxInt64}, perform(t.Context(), s, operation{Verb: "add", Key: "n", N: math.MaxInt64}))
	conn, err := nats.Connect(server.ClientURL())
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	m := nats.NewMsg("$COUNT.test.n")
	m.Header.Set("Nats-Incr", "10")
	_, err = conn.RequestMsg(m, frameworktest.Patience)
	require.NoError(t, err)
	for _, n := range []int64{0, 1, -9} {
		_, err = s.Add(t.Context(), "n", n)
		require.ErrorContains(t, err, "beyond 64 bits")
	}
	require.Equal(t, result{N: math.MaxInt64}, perform(t.Context(), s, operation{Verb: "add", Key: "n", N: -10}))
}

// watching checks the entries of a key.
func watching(t *testing.T, s framework.State) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	revision, err := s.Create(ctx, "w", []byte("one"))
	require.NoError(t, err)
	entries, err := s.Watch(ctx, "w")
	require.NoError(t, err)
	require.Equal(t, framework.Entry{Value: []byte("one"), Revision: revision}, <-entries)
	revision, err = s.Update(ctx, "w", []byte("two"), revision)
	require.NoError(t, err)
	require.Equal(t, framework.Entry{Value: []byte("two"), Revision: revision}, <-entries)
	require.NoError(t, s.Delete(ctx, "w"))
	require.Equal(t, framework.Entry{Deleted: true}, <-entries)
	deleted, err := s.Watch(ctx, "w")
	require.NoError(t, err)
	revision, err = s.Create(ctx, "w", []byte("three"))
	require.NoError(t, err)
	for _, entries := range []<-chan framework.Entry{entries, deleted} {
		require.Equal(t, framework.Entry{Value: []byte("three"), Revision: revision}, <-entries)
	}
	cancel()
	_, open := <-entries
	require.False(t, open)
}

// What is in a file is there after a restart, and a directory is one process's.
func TestFileOutlivesServer(t *testing.T) {
	how := fileState(t)
	other := how
	other.Bucket = "other"
	var b Backends
	for n := range 2 {
		s, closeState, err := b.Open(t.Context(), "s", how, hclog.NewNullLogger())
		require.NoError(t, err)
		sum, err := s.Add(t.Context(), "n", 1)
		require.NoError(t, err)
		require.EqualValues(t, n+1, sum)
		o, closeOther, err := b.Open(t.Context(), "o", other, hclog.NewNullLogger())
		require.NoError(t, err)
		_, err = o.Create(t.Context(), fmt.Sprint(n), nil)
		require.NoError(t, err)
		_, _, err = b.Open(t.Context(), "third", how, hclog.NewNullLogger())
		require.EqualError(t, err, how.Path+`: the bucket "test" is that of server "s"; choose another bucket`)
		always := how
		always.Sync = 0
		_, _, err = b.Open(t.Context(), "s", always, hclog.NewNullLogger())
		require.ErrorContains(t, err, "is open with another sync")
		var process Backends
		_, _, err = process.Open(t.Context(), "s", how, hclog.NewNullLogger())
		require.EqualError(t, err, how.Path+" is in use by another process; give each its own path, and restart a server in place of an upgrade")
		copied, err := syscall.Dup(int(b.at(how.Path).file.lock.Fd())) // as a process that is being started has one
		require.NoError(t, err)
		defer syscall.Close(copied)
		closeState()
		closeOther()
	}
}

// A directory that takes long, as one of a network may, holds up no other.
func TestSlowDirectoryHoldsUpNoOther(t *testing.T) {
	var b Backends
	slow := b.at("slow")
	slow.Lock() // as while it is opened
	defer slow.Unlock()
	_, closeState, err := b.Open(t.Context(), "s", fileState(t), hclog.NewNullLogger())
	require.NoError(t, err)
	closeState()
}

// What could not be read is logged, and the end of a process that has lost nothing, or that of a new state, is not.
func TestLossIsLogged(t *testing.T) {
	overwrite := func(block string) error {
		info, err := os.Stat(block)
		if err != nil {
			return err
		}
		return os.WriteFile(block, bytes.Repeat([]byte{0xa5}, int(info.Size())), 0o600)
	}
	const lost = "the state has lost data"
	for name, c := range map[string]struct {
		damage func(block string) error
		want   string
	}{
		"nothing":     {func(string) error { return nil }, ""},
		"cut":         {func(block string) error { return os.Truncate(block, 20) }, lost},
		"overwritten": {overwrite, lost},
		"removed":     {os.Remove, lost},
		"all of it":   {func(block string) error { return os.RemoveAll(filepath.Join(filepath.Dir(block), "..", "..")) }, "the state is empty"},
	} {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, killed %v", name, killed), func(t *testing.T) {
				how := fileState(t)
				var log bytes.Buffer
				var b Backends
				open := func() (framework.State, func()) {
					log.Reset()
					s, closeState, err := b.Open(t.Context(), "s", how, hclog.New(&hclog.LoggerOptions{Output: &log}))
					require.NoError(t, err)
					return s, closeState
				}
				for n := range 2 { // there is an index after the first time, which is older than what follows where the process is killed
					s, closeState := open()
					_, err := s.Add(t.Context(), "n", 2)
					require.NoError(t, err)
					require.NoError(t, s.Delete(t.Context(), "other"))
					if killed && n == 1 {
						left := t.TempDir()
						require.NoError(t, os.CopyFS(left, os.DirFS(how.Path)))
						closeState()
						how.Path = left
						continue
					}
					closeState()
				}
				blocks, err := filepath.Glob(filepath.Join(how.Path, "jetstream", "*", "streams", "COUNT_test", "msgs", "*.blk"))
				require.NoError(t, err)
				require.Len(t, blocks, 1)
				require.NoError(t, c.damage(blocks[0]))
				s, closeState := open()
				defer closeState()
				sum, err := s.Add(t.Context(), "n", 0)
				require.NoError(t, err)
				if c.want == "" {
					require.Empty(t, log.String())
					require.EqualValues(t, 4, sum)
					return
				}
				require.Contains(t, log.String(), c.want)
				require.Zero(t, sum)
			})
		}
	}
}

func TestDirectoryThatCannotBeHad(t *testing.T) {
	how := fileState(t)
	how.Path = filepath.Join(how.Path, "file", "state")
	require.NoError(t, os.WriteFile(filepath.Dir(how.Path), nil, 0o600))
	var b Backends
	_, _, err := b.Open(t.Context(), "s", how, hclog.NewNullLogger())
	require.ErrorContains(t, err, "not a directory")
}

// Each thing that is wrong with NATS has its own error, and none hangs.
func TestWrongNATS(t *testing.T) {
	plain := natstest.Serve(t, &natsserver.Options{})
	closed := natstest.Serve(t, &natsserver.Options{JetStream: true, StoreDir: t.TempDir(), Username: "a", Password: "b"})
	full := natstest.Serve(t, &natsserver.Options{JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 10})
	foreign := natstest.Serve(t, &natsserver.Options{JetStream: true, StoreDir: t.TempDir()})
	state := openState(t, "other", natsState(foreign)).(*bucket)
	_, err := state.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "foreign"})
	require.NoError(t, err)
	unstamped := natsState(foreign)
	unstamped.Bucket = "foreign"
	missing := natsState(foreign)
	missing.Credentials = "/nowhere/c.creds"
	host := func(s *natsserver.Server) string { return s.Addr().String() }
	for _, c := range []struct {
		how  config.State
		want string
	}{
		{natsState(plain), "JetStream does not answer; enable it in NATS"},
		{natsState(closed), "NATS at " + host(closed) + " refuses the credentials; set credentials, or a user in url"},
		{natsState(foreign), `the bucket "test" is that of server "other"; choose another bucket`},
		{unstamped, `the bucket "foreign" exists and is not that of a server; choose another bucket`},
		{missing, "read the credentials: open /nowhere/c.creds: no such file or directory"},
	} {
		var b Backends
		_, _, err := b.Open(t.Context(), "s", c.how, hclog.NewNullLogger())
		require.ErrorContains(t, err, c.want)
	}
	how := natsState(full)
	s := openState(t, "s", how)
	for n := 0; err == nil; n++ {
		_, err = s.Create(t.Context(), fmt.Sprint(n), make([]byte, 512))
	}
	require.ErrorContains(t, err, "NATS has no room")
}

// A server begins without NATS: its calls fail at once, until NATS can be reached, and again when it has gone.
func TestNATSComesAndGoes(t *testing.T) {
	dir := t.TempDir()
	s := natstest.Serve(t, &natsserver.Options{JetStream: true, StoreDir: dir})
	how, port := natsState(s), s.Addr().(*net.TCPAddr).Port
	s.Shutdown()
	s.WaitForShutdown()
	state := openState(t, "s", how).(*bucket)
	connected, lost := state.conn.StatusChanged(nats.CONNECTED), state.conn.StatusChanged(nats.RECONNECTING)
	away := func() {
		t.Helper()
		_, err := state.Add(t.Context(), "n", 1)
		require.EqualError(t, err, "state: NATS, which has the state, cannot be reached")
		_, err = state.Watch(t.Context(), "n")
		require.EqualError(t, err, "state: NATS, which has the state, cannot be reached")
	}
	away()
	s = natstest.Serve(t, &natsserver.Options{JetStream: true, StoreDir: dir, Port: port})
	<-connected
	for n := range 3 {
		sum, err := state.Add(t.Context(), "n", 1)
		require.NoError(t, err)
		require.EqualValues(t, n+1, sum)
	}
	s.Shutdown()
	s.WaitForShutdown()
	<-lost
	away()
}

// A directory is read for as long as that takes.
func TestFileThatIsReadForLong(t *testing.T) {
	before := longRead
	longRead = time.Millisecond
	defer func() { longRead = before }()
	var log bytes.Buffer
	for late := time.Now().Add(frameworktest.Patience); !strings.Contains(log.String(), "the state is still being read"); { // some are read at once
		require.True(t, time.Now().Before(late))
		var b Backends
		_, closeState, err := b.Open(t.Context(), "s", fileState(t), hclog.New(&hclog.LoggerOptions{Output: &log}))
		require.NoError(t, err)
		closeState()
	}
}
