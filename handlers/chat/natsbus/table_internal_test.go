package natsbus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
)

// An entry is one of the bucket, as a watch has it; without a value the key is gone.
type entry struct {
	jetstream.KeyValueEntry
	key   string
	value []byte
}

func (e entry) Key() string      { return e.key }
func (e entry) Value() []byte    { return e.value }
func (e entry) Revision() uint64 { return 1 }
func (e entry) Operation() jetstream.KeyValueOp {
	if e.value == nil {
		return jetstream.KeyValuePurge
	}
	return jetstream.KeyValuePut
}

const (
	here  = "0000000000000001"
	there = "0000000000000002"
)

// watched returns a session that applies what a test has, the names of the users that the station knows, and the log.
func watched(t *testing.T) (*session, map[string]bool, *bytes.Buffer) {
	var log bytes.Buffer
	known := map[string]bool{}
	name := func(p cluster.Presence) string { return fmt.Sprint(p.Server, p.ID, p.Name) }
	b := &bus{log: hclog.New(&hclog.LoggerOptions{Output: &log}), logged: map[string]bool{}, users: map[string]user{}, station: cluster.Station{
		ID:      here,
		Present: func(p cluster.Presence) { known[name(p)] = true },
		Absent:  func(p cluster.Presence) { delete(known, name(p)) },
	}}
	s := &session{bus: b, alive: map[string]bool{}, missing: map[string]bool{}, overdue: time.NewTimer(time.Hour)}
	t.Cleanup(func() { s.overdue.Stop() })
	return s, known, &log
}

func presence(t *testing.T, server string, id uint64, name string) []byte {
	value, err := json.Marshal(cluster.Presence{Server: server, ID: id, Named: true, Name: name, Room: "lobby"})
	require.NoError(t, err)
	return value
}

// A watch has the last entry of a key, and not those between: whoever had the key before is there no more.
func TestKeyChangesHands(t *testing.T) {
	s, known, _ := watched(t)
	for id, next := range map[uint64]entry{
		1: {key: "user.name.A", value: presence(t, there, 11, "a")},
		2: {key: "user.name.A", value: presence(t, here, 12, "a")},
		3: {key: "user.name.A", value: []byte("nonsense")},
		4: {key: "user.name.A"},
	} {
		s.apply(entry{key: "user.name.A", value: presence(t, there, id, "a")})
		require.Contains(t, known, fmt.Sprint(there, id, "a"))
		s.apply(next)
		require.NotContains(t, known, fmt.Sprint(there, id, "a"))
	}
}

// Whoever can write to the bucket fills neither the memory of a server nor its log.
func TestTableIsBounded(t *testing.T) {
	s, known, log := watched(t)
	for n := range 2 * maxServers {
		s.apply(entry{key: fmt.Sprintf("other%d", n), value: []byte("x")})
		s.apply(entry{key: fmt.Sprintf("%s%016x", serverKey, n), value: []byte("x")})
		s.apply(entry{key: fmt.Sprintf("%s%d", serverKey, n), value: []byte("x")})
		s.apply(entry{key: fmt.Sprintf("%s%016x", serverKey, n+maxServers)})
	}
	require.LessOrEqual(t, len(s.alive), maxServers)
	long := strings.Repeat("n", cluster.MaxName)
	s.apply(entry{key: "user.long", value: presence(t, there, 1, long+"n")})
	require.Empty(t, s.bus.users)
	const filled = maxTable - 100*perUser
	s.bus.size = filled // by others
	for n := range 100 {
		s.apply(entry{key: fmt.Sprint("user.", n), value: presence(t, there, uint64(n+1), long)})
	}
	require.Equal(t, len(s.bus.users), len(known))
	require.Greater(t, len(known), 30)
	require.Less(t, len(known), 60)
	require.LessOrEqual(t, s.bus.size, maxTable)
	s.apply(entry{key: "user.0", value: presence(t, there, 1000, "short")}) // which makes room
	require.Contains(t, known, there+"1000short")
	for key := range s.bus.users {
		s.apply(entry{key: key})
	}
	require.Equal(t, filled, s.bus.size)
	require.Empty(t, known)
	require.Equal(t, 3, strings.Count(log.String(), "\n"), log)
}

// What NATS says again and again is logged once, and not without bound.
func TestErrorsAreLoggedOnce(t *testing.T) {
	s, _, log := watched(t)
	for n := range 1000 {
		s.bus.logFailure(fmt.Errorf("error %d", n%2))
	}
	require.Equal(t, 2, strings.Count(log.String(), "the bus reports an error"))
	for n := range 1000 {
		s.bus.logFailure(fmt.Errorf("another %d", n))
	}
	require.Equal(t, maxLogged, strings.Count(log.String(), "\n"))
}
