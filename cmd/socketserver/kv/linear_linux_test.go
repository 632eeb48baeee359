package kv

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/internal/natsclient/natstest"
)

// TestLinearizable checks histories of clients that use a state at once, from children that are killed and stopped
// meanwhile, with a NATS server that drops its connections: there is an order of their operations, each between its call
// and its answer, that explains all answers. An operation without an answer may have happened, then or later.
func TestLinearizable(t *testing.T) {
	runs := 7 // of each
	if os.Getenv("SOCKETSERVER_LONG_TESTS") != "" {
		runs = 1000
	}
	server := natstest.Serve(t, &natsserver.Options{JetStream: true, StoreDir: t.TempDir()})
	for name, state := range map[string]framework.State{
		"memory": framework.NewMemory(), "file": openState(t, "s", fileState(t)), "nats": openState(t, "s", natsState(server)),
	} {
		t.Run(name, func(t *testing.T) {
			forking := &framework.Forking{MaxRequests: 1}
			s := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, remote, ""))
			s.Strategy, s.State = forking, state
			frameworktest.Serve(t, s)
			clients := make([]*client, 3)
			for n := range clients {
				clients[n] = &client{t: t, server: s, number: n}
			}
			for run := range runs {
				seed := uint64(time.Now().UnixNano())
				history := oneHistory(clients, run, seed, append(verbs, "reset"), func() {
					pids := forking.ActiveChildren()
					switch {
					case run%5 == 2 && len(pids) > 0:
						_ = syscall.Kill(pids[0], syscall.SIGKILL)
					case run%5 == 3 && len(pids) > 0:
						_ = syscall.Kill(pids[0], syscall.SIGSTOP)
						for range 100 {
							_, _ = state.Add(t.Context(), "while it is stopped", 1)
						}
						_ = syscall.Kill(pids[0], syscall.SIGCONT)
					case run%5 == 4 && name == "nats":
						natstest.Disconnect(t, server)
					}
				})
				require.True(t, porcupine.CheckOperations(register, history), "run %d with seed %d: %v", run, seed, history)
			}
			for _, c := range clients {
				c.leave()
			}
		})
	}
}

var verbs = []string{"get", "create", "update", "update", "delete", "get", "add", "add"}

// oneHistory has clients do what follows from seed, and calls mishap meanwhile.
func oneHistory(clients []*client, run int, seed uint64, verbs []string, mishap func()) (history []porcupine.Operation) {
	var mu sync.Mutex
	var doing sync.WaitGroup
	for n, c := range clients {
		doing.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(n)))
			var revision uint64
			for step := range 8 {
				o := operation{Key: fmt.Sprintf("%d/value", run), Value: fmt.Sprintf("%d.%d", n, step), Revision: revision, N: random.Int64N(9) + 1}
				o.Verb = verbs[random.IntN(len(verbs))]
				if o.Verb == "add" || o.Verb == "reset" {
					o.Key = fmt.Sprintf("%d/counter", run)
				}
				called := time.Now().UnixNano()
				r := c.ask(o)
				returned := time.Now().UnixNano()
				if r.Err == "unknown" {
					returned = math.MaxInt64
				}
				if r.Revision > 0 {
					revision = r.Revision
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: n, Input: o, Output: r, Call: called, Return: returned})
				mu.Unlock()
				if n == 0 && step == 3 {
					mishap()
				}
			}
		})
	}
	doing.Wait()
	return append(history, last(clients[0], run)...)
}

// last reads what has become of the keys of a history.
func last(c *client, run int) (history []porcupine.Operation) {
	for _, o := range []operation{{Verb: "get", Key: fmt.Sprintf("%d/value", run)}, {Verb: "add", Key: fmt.Sprintf("%d/counter", run)}} {
		for r := (result{Err: "unknown"}); r.Err == "unknown"; {
			called := time.Now().UnixNano()
			r = c.ask(o)
			if r.Err == "unknown" {
				time.Sleep(20 * time.Millisecond)
				continue
			}
			history = append(history, porcupine.Operation{Input: o, Output: r, Call: called, Return: time.Now().UnixNano()})
		}
	}
	return history
}

// A client has a connection, and another one when its child was killed.
type client struct {
	t      *testing.T
	server *framework.BaseServer
	number int
	conn   net.Conn
	reader *bufio.Reader
}

func (c *client) ask(o operation) (r result) {
	if c.conn == nil {
		c.conn = frameworktest.Dial(c.t, c.server)
		c.reader = bufio.NewReader(c.conn)
	}
	sent := o
	if sent.Verb == "reset" {
		sent.Verb = "delete"
	}
	err := json.NewEncoder(c.conn).Encode(sent)
	if err == nil {
		var line []byte
		if line, err = c.reader.ReadBytes('\n'); err == nil {
			err = json.Unmarshal(line, &r)
		}
	}
	switch {
	case err != nil:
		c.leave()
		return result{Err: "unknown"}
	case !slices.Contains([]string{"", "no key", "exists", "conflict"}, r.Err): // NATS is away
		return result{Err: "unknown"}
	}
	return r
}

func (c *client) leave() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// A cell is what the model knows of a key.
type cell struct {
	exists   bool
	value    string
	revision uint64 // 0: not known, as whoever set the value had no answer
	sum      int64
}

// register is what a state is to be: a register and a counter for each key.
var register = porcupine.Model{
	Partition: natstest.ByKey(func(o operation) string { return o.Key }),
	Init:      func() any { return cell{} },
	Step: func(state, input, output any) (bool, any) {
		return step(state.(cell), input.(operation), output.(result))
	},
}

func step(was cell, o operation, r result) (bool, cell) {
	unknown := r.Err == "unknown"
	set := cell{exists: true, value: o.Value, revision: r.Revision, sum: was.sum}
	same := was.revision == 0 || was.revision == o.Revision
	switch o.Verb {
	case "get":
		if !was.exists || unknown {
			return unknown || r.Err == "no key", was
		}
		set.value = r.Value
		return r.Err == "" && r.Value == was.value && (was.revision == 0 || was.revision == r.Revision), set
	case "create":
		if was.exists {
			return unknown || r.Err == "exists", was
		}
		return unknown || r.Err == "", set
	case "update":
		switch {
		case r.Err == "conflict":
			return !was.exists || o.Revision == 0 || was.revision != o.Revision, was
		case !was.exists || !same || o.Revision == 0:
			return unknown, was
		}
		return unknown || r.Err == "", set
	case "delete":
		return unknown || r.Err == "", cell{sum: was.sum}
	case "reset":
		was.sum = 0
		return unknown || r.Err == "", was
	case "add":
		was.sum += o.N
		return unknown || r.Err == "" && r.N == was.sum, was
	}
	return false, was
}

// The check finds what is wrong: a model that accepts everything would accept this.
func TestCheckFindsLostUpdate(t *testing.T) {
	add := func(call, sum int64) porcupine.Operation {
		return porcupine.Operation{Input: operation{Verb: "add", N: 1}, Output: result{N: sum}, Call: call, Return: call + 1}
	}
	require.True(t, porcupine.CheckOperations(register, []porcupine.Operation{add(0, 1), add(2, 2)}))
	require.False(t, porcupine.CheckOperations(register, []porcupine.Operation{add(0, 1), add(2, 1)}))
	update := func(call int64, value string, revision uint64, r result) porcupine.Operation {
		return porcupine.Operation{Input: operation{Verb: "update", Value: value, Revision: revision}, Output: r, Call: call, Return: call + 1}
	}
	create := porcupine.Operation{Input: operation{Verb: "create", Value: "a"}, Output: result{Revision: 1}, Call: 0, Return: 1}
	require.True(t, porcupine.CheckOperations(register, []porcupine.Operation{create, update(2, "b", 1, result{Revision: 2}), update(4, "c", 1, result{Err: "conflict"})}))
	require.False(t, porcupine.CheckOperations(register, []porcupine.Operation{create, update(2, "b", 1, result{Revision: 2}), update(4, "c", 1, result{Revision: 3})}))
}
