package natsbus_test

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/internal/natsclient/natstest"
)

// apart has alice and bob enter the room at servers of their own, that of bob in a process that is returned.
func apart(t *testing.T) (alice, bob *client, process int) {
	t.Helper()
	at := port(startNATS(t, -1))
	one, _ := serve(t, options(at), &framework.Threading{})
	forking := &framework.Forking{}
	two, _ := serve(t, options(at), forking)
	alice = enter(t, one, "alice")
	bob = enter(t, two, "bob", alice)
	require.Len(t, forking.ActiveChildren(), 1)
	return alice, bob, forking.ActiveChildren()[0]
}

// takes has c, which is called so, ask for a name until it is free.
func (c *client) takes(name, called string) {
	c.t.Helper()
	for heard := ""; heard != "-- "+called+" is now "+name+"\n"; {
		c.say("/nick " + name)
		heard = c.until("\n")
	}
}

// The users of a server that is killed are gone after seconds, and their names are free.
func TestKilledServer(t *testing.T) {
	alice, _, process := apart(t)
	began := time.Now()
	require.NoError(t, syscall.Kill(process, syscall.SIGKILL))
	alice.skips("bob离开了我们的聊天室!\n")
	t.Log("told after", time.Since(began).Round(time.Millisecond))
	alice.takes("bob", "alice")
	t.Log("free after", time.Since(began).Round(time.Millisecond))
}

// A server that was stopped does not speak with a name that another user has by then.
func TestStoppedServer(t *testing.T) {
	alice, bob, process := apart(t)
	require.NoError(t, syscall.Kill(process, syscall.SIGSTOP))
	alice.skips("bob离开了我们的聊天室!\n")
	alice.takes("bob", "alice")
	bob.say("this is bob")
	require.NoError(t, syscall.Kill(process, syscall.SIGCONT))
	bob.skips(linked)
	bob.skips("-- the name bob is taken at another server; you are now ")
	guest := strings.TrimSuffix(bob.until(","), ",")
	bob.say("this is no bob")
	all := alice.until(guest + ": this is no bob\n")
	require.NotContains(t, all, ": this is bob")
}

// TestLinearizableNames checks histories of users who take and free names at servers that are killed, stopped and cut
// off meanwhile, or whose NATS server ends and starts again: there is an order of what they did that explains all answers, in
// which nobody took a name that another one had. What a user does while its server is not linked is not known to others.
func TestLinearizableNames(t *testing.T) {
	runs := 5 // one of each mishap
	if os.Getenv("SOCKETSERVER_LONG_TESTS") != "" {
		runs = 1000
	}
	kept := t.TempDir()
	store := func(o *server.Options) { o.StoreDir = kept }
	bus := startNATS(t, -1, store)
	at := port(bus)
	forking := &framework.Forking{} // a server of the bus for each user
	s, _ := serve(t, strings.Replace(options(at), "{", `{"greeting": false, `, 1), forking)
	var takers []*taker
	for n := range 3 {
		takers = append(takers, &taker{t: t, s: s, number: n, user: n})
	}
	for run := range runs {
		seed := uint64(time.Now().UnixNano())
		history := namesHistory(takers, run, seed, func() {
			pids := forking.ActiveChildren()
			switch {
			case run%5 == 1 && len(pids) > 0:
				_ = syscall.Kill(pids[0], syscall.SIGKILL)
			case run%5 == 2 && len(pids) > 0:
				_ = syscall.Kill(pids[0], syscall.SIGSTOP)
				time.Sleep(time.Duration(seed%5) * time.Second) // its lease is for 3
				_ = syscall.Kill(pids[0], syscall.SIGCONT)
			case run%5 == 3:
				natstest.Disconnect(t, bus)
			case run%5 == 4:
				natstest.Stop(bus)
				bus = startNATS(t, at, store)
			}
		})
		require.True(t, porcupine.CheckOperations(owners, history), "run %d with seed %d: %v", run, seed, history)
	}
}

// A taking is what a user does with a name. Its result is "", "taken", or "unknown".
type taking struct {
	user  int
	name  string
	frees bool
}

// owners is what names are to be: each has one owner or none, here a user's number plus one.
var owners = porcupine.Model{
	Partition: natstest.ByKey(func(o taking) string { return o.name }),
	Init:      func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		owner, o := state.(int), input.(taking)
		mine := owner == o.user+1
		switch {
		case o.frees && mine:
			return true, 0
		case o.frees:
			return true, owner
		case output == "taken":
			return owner != 0 && !mine, owner
		case owner == 0 || mine:
			return true, o.user + 1
		}
		return output == "unknown", owner
	},
}

// A taker is a user at a server of its own, which has one again when that was killed.
type taker struct {
	t        *testing.T
	s        *framework.BaseServer
	number   int
	user     int // another one for each connection, as one that was lost may keep its name for a while
	conn     *client
	called   string
	unlinked bool

	has   string // the name among those that are checked, and since when it may have it
	since int64
}

// namesHistory has users take and free names as seed has it, and calls mishap meanwhile.
func namesHistory(takers []*taker, run int, seed uint64, mishap func()) (history []porcupine.Operation) {
	var mu sync.Mutex
	var doing sync.WaitGroup
	for _, c := range takers {
		doing.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(c.number)))
			note := func(user int, name string, frees bool, called, returned int64, result string) {
				mu.Lock()
				defer mu.Unlock()
				history = append(history, porcupine.Operation{ClientId: user, Input: taking{user, name, frees}, Output: result, Call: called, Return: returned})
			}
			const steps = 8
			for step := range steps {
				name := fmt.Sprintf("r%dn%d", run, random.IntN(2))
				if step == steps-1 || random.IntN(3) == 0 {
					name = "" // another one that is nobody else's
				}
				c.nick(fmt.Sprintf("r%du%ds%d", run, c.number, step), name, note)
				if c.number == 0 && step == steps/2 {
					mishap()
				}
			}
		})
	}
	doing.Wait()
	return history
}

// nick takes a name, or other, by which it frees the one that it has.
func (c *taker) nick(other, name string, note func(user int, name string, frees bool, called, returned int64, result string)) {
	called, user := time.Now().UnixNano(), c.user
	wanted := name
	if name == "" {
		wanted = other
	}
	wasUnlinked := c.unlinked
	result := c.ask(wanted)
	now := time.Now().UnixNano()
	if wasUnlinked || c.unlinked || result == "unknown" { // its server may lose the names, and take them again
		for _, one := range []string{c.has, name} {
			if one != "" {
				note(user, one, true, min(called, c.since), math.MaxInt64, "")
				note(user, one, false, called, math.MaxInt64, "unknown")
				note(user, one, true, called, math.MaxInt64, "")
			}
		}
		result = "unknown"
	}
	switch {
	case result == "unknown":
		c.has, c.since = "", 0
		if !c.unlinked && c.conn != nil { // to begin with what is known
			c.leave()
		}
	case name != "":
		note(user, name, false, called, now, result)
		fallthrough
	default:
		if result == "" && c.has != "" && c.has != name {
			note(user, c.has, true, called, now, "")
		}
		if result == "" {
			c.has, c.since = name, called
		}
	}
}

// ask asks for a name, and returns how that came out.
func (c *taker) ask(name string) (result string) {
	if c.conn == nil {
		conn := frameworktest.Dial(c.t, c.s)
		c.conn = &client{conn, c.t, bufio.NewReader(conn)}
		c.unlinked, c.called = false, ""
	}
	if _, err := fmt.Fprintf(c.conn, "/nick %s\n", name); err != nil {
		c.leave()
		return "unknown"
	}
	for {
		heard, err := c.conn.rfile.ReadString('\n')
		if err != nil {
			c.leave()
			return "unknown"
		}
		words := strings.Fields(heard)
		switch {
		case heard == unlinked:
			c.unlinked = true
		case heard == linked:
			result = "unknown" // for what was decided meanwhile
			c.unlinked = false
		case strings.HasPrefix(heard, "-- you are "):
			c.called = words[3]
		case strings.Contains(heard, "is taken at another server; you are now "):
			c.called = strings.TrimSuffix(words[slices.Index(words, "now")+1], ",")
		case heard == fmt.Sprintf("-- %s is now %s\n", c.called, name):
			c.called = name
			return result
		case heard == "-- the name "+name+" is taken; choose another one\n":
			if result == "" {
				result = "taken"
			}
			return result
		}
	}
}

func (c *taker) leave() {
	_ = c.conn.Close()
	c.conn, c.called, c.unlinked = nil, "", false
	c.user += 100
}

// The check finds what is wrong.
func TestCheckFindsTwoOwners(t *testing.T) {
	take := func(user int, call int64, result string) porcupine.Operation {
		return porcupine.Operation{Input: taking{user: user, name: "x"}, Output: result, Call: call, Return: call + 1}
	}
	free := porcupine.Operation{Input: taking{user: 1, name: "x", frees: true}, Output: "", Call: 2, Return: 3}
	require.True(t, porcupine.CheckOperations(owners, []porcupine.Operation{take(1, 0, ""), take(2, 4, "taken")}))
	require.True(t, porcupine.CheckOperations(owners, []porcupine.Operation{take(1, 0, ""), free, take(2, 4, "")}))
	require.False(t, porcupine.CheckOperations(owners, []porcupine.Operation{take(1, 0, ""), take(2, 4, "")}))
	require.False(t, porcupine.CheckOperations(owners, []porcupine.Operation{take(1, 0, ""), free, take(2, 4, "taken")}))
}
