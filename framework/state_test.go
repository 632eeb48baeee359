package framework_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// stateful does with the state what each line of a request says.
var stateful = framework.Define(statefulOptions{UsesState: true}, func(o statefulOptions) (*framework.HandlerClass, error) {
	return &framework.HandlerClass{New: func() framework.Handler { return &keeping{} }, UsesState: o.UsesState}, nil
})

type statefulOptions struct {
	UsesState bool `json:"uses_state"`
}

type keeping struct{ framework.StreamRequestHandler }

func (h *keeping) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	for {
		line, err := rfile.ReadString('\n')
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(wfile, h.answer(strings.Fields(line), wfile)); err != nil {
			return err
		}
	}
}

func (h *keeping) answer(words []string, wfile io.Writer) string {
	words = append(words, "", "", "")
	state, key, value := h.State(), words[1], words[2]
	number, _ := strconv.ParseUint(words[3], 10, 64)
	ctx, cancel := context.WithTimeout(h.Context(), frameworktest.Patience)
	defer cancel()
	var result any
	var err error
	switch words[0] {
	case "get":
		var value []byte
		value, number, err = state.Get(ctx, key)
		result = fmt.Sprintf("%s %d", value, number)
	case "create":
		result, err = state.Create(ctx, key, []byte(value))
	case "update":
		result, err = state.Update(ctx, key, []byte(value), number)
	case "delete":
		result, err = "deleted", state.Delete(ctx, key)
	case "add":
		n, _ := strconv.ParseInt(value, 10, 64)
		result, err = state.Add(ctx, key, n)
	case "watch": // until it is deleted
		var entries <-chan framework.Entry
		if entries, err = state.Watch(ctx, key); err == nil {
			fmt.Fprintln(wfile, "watching")
			for e := range entries {
				if e.Deleted {
					return "gone"
				}
				fmt.Fprintf(wfile, "%s %d\n", e.Value, e.Revision)
			}
			result = "over"
		}
	case "time":
		n, _ := strconv.Atoi(value)
		began := time.Now()
		for range n {
			if _, err = state.Add(ctx, key, 1); err != nil {
				break
			}
		}
		result = int(time.Since(began)) / max(n, 1)
	}
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(result)
}

// stateServers runs test with a server of stateful for each strategy.
func stateServers(t *testing.T, test func(t *testing.T, s *framework.BaseServer)) {
	for _, name := range []string{"synchronous", "threading", "forking", "preforking"} {
		strategy := newStrategy[name]
		t.Run(name, func(t *testing.T) {
			s := newServer["tcp"](t, class(t, stateful))
			s.Strategy, s.MaxLine = strategy(), -1
			frameworktest.Serve(t, s)
			test(t, s)
		})
	}
}

// What one request keeps the next one finds, in whatever process each runs.
func TestState(t *testing.T) {
	long := strings.Repeat("x", framework.MaxStateValue)
	stateServers(t, func(t *testing.T, s *framework.BaseServer) {
		all := [][2]string{
			{"get a", framework.ErrNoKey.Error()},
			{"create a one", "1"},
			{"create a two", framework.ErrExists.Error()},
			{"get a", "one 1"},
			{"update a two 7", framework.ErrConflict.Error()},
			{"update a two 1", "2"},
			{"get a", "two 2"},
			{"add a 5", "5"},
			{"add a -7", "-2"},
			{"get a", "two 2"},
			{"delete a", "deleted"},
			{"delete a", "deleted"},
			{"add a 0", "0"},
			{"update a three 2", framework.ErrConflict.Error()},
			{"create a " + long, "3"},
			{"get a", long + " 3"},
			{"update a " + long + "x 3", "framework: a value of 65537 bytes; a value of the state has at most 65536"},
			{"get a:b", `framework: the key "a:b"; a key of the state has letters, digits and -/_=. only`},
			{"get a..b", `framework: the key "a..b"; a dot in a key of the state stands between two other characters`},
			{"get", "framework: a key of 0 bytes; a key of the state has 1 to 256"},
			{"get " + strings.Repeat("k", 257), "framework: a key of 257 bytes; a key of the state has 1 to 256"},
		}
		for _, exchanges := range [][][2]string{all[:6], all[6:]} { // a request each
			conn := frameworktest.Dial(t, s)
			for _, exchange := range exchanges {
				frameworktest.Send(t, conn, exchange[0]+"\n")
				frameworktest.Expect(t, conn, exchange[1]+"\n")
			}
			require.NoError(t, conn.Close())
		}
	})
}

func TestStateIsWatched(t *testing.T) {
	stateServers(t, func(t *testing.T, s *framework.BaseServer) {
		if _, ok := s.Strategy.(*framework.Synchronous); ok || s.Strategy == nil {
			t.Skip("it has one request at a time")
		}
		watch, change := frameworktest.Dial(t, s), frameworktest.Dial(t, s)
		frameworktest.Send(t, change, "create a one\n")
		frameworktest.Expect(t, change, "1\n")
		frameworktest.Send(t, watch, "watch a\n")
		frameworktest.Expect(t, watch, "watching\none 1\n")
		frameworktest.Send(t, change, "update a two 1\n")
		frameworktest.Expect(t, change, "2\n")
		frameworktest.Expect(t, watch, "two 2\n")
		frameworktest.Send(t, change, "delete a\n")
		frameworktest.Expect(t, watch, "gone\n")
	})
}

// Requests that count at once count once each.
func TestStateCounts(t *testing.T) {
	stateServers(t, func(t *testing.T, s *framework.BaseServer) {
		const clients, each = 2, 50
		var counting sync.WaitGroup
		for range clients {
			conn := frameworktest.Dial(t, s)
			counting.Go(func() {
				fmt.Fprint(conn, strings.Repeat("add n 1\n", each))
				conn.(interface{ CloseWrite() error }).CloseWrite()
				io.Copy(io.Discard, conn)
			})
		}
		counting.Wait()
		require.Equal(t, fmt.Sprintln(clients*each), ask(t, s, "add n 0\n"))
	})
}

func TestClassSaysThatItUsesState(t *testing.T) {
	for _, name := range []string{"threading", "forking"} {
		strategy := newStrategy[name]
		s := newServer["tcp"](t, frameworktest.Class(t, stateful, `{"uses_state": false}`))
		s.Strategy = strategy()
		frameworktest.Serve(t, s)
		require.Equal(t, "framework: the handler class does not say that it uses the state; set UsesState in it\n", ask(t, s, "get a\n"), name)
	}
}

// A state that is given to a server outlives it, and several servers may have it.
func TestServersShareState(t *testing.T) {
	state := framework.NewMemory()
	for n := range 3 {
		s := newServer["tcp"](t, class(t, stateful))
		s.Strategy, s.State = &framework.Threading{}, state
		frameworktest.Serve(t, s)
		require.Equal(t, fmt.Sprintln(n+1), ask(t, s, "add n 1\n"))
	}
}

// BenchmarkState is the time of one call from where the handler runs, in ns/call: the rest is its process.
func BenchmarkState(b *testing.B) {
	for _, name := range []string{"threading", "forking", "preforking"} {
		b.Run(name, func(b *testing.B) {
			s := frameworktest.NewServer(b, "tcp", frameworktest.Class(b, stateful, ""))
			s.Strategy = newStrategy[name]()
			conn := frameworktest.Dial(b, frameworktest.Serve(b, s))
			b.ReportMetric(0, "ns/op")
			answer := frameworktest.Ask(b, conn, fmt.Sprintf("time n %d\n", max(b.N, 1000)))
			took, err := strconv.Atoi(strings.TrimSpace(answer))
			require.NoError(b, err)
			b.ReportMetric(float64(took), "ns/call")
		})
	}
}
