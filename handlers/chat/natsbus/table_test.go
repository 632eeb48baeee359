package natsbus_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/internal/natsclient/natstest"
)

// Two users at two servers take one name at once: exactly one has it.
func TestNameIsTakenOnce(t *testing.T) {
	at := port(startNATS(t, -1))
	var users []*client
	for n := range 3 {
		s, _ := serve(t, options(at), &framework.Threading{})
		users = append(users, enter(t, s, fmt.Sprint("user", n)))
	}
	won := map[int]int{}
	for round := range 100 {
		name := fmt.Sprint("name", round%7) // with names that were free a moment ago
		for _, c := range users {
			c.say("/nick " + name)
		}
		var has []int
		for n, c := range users {
			for {
				heard := c.until("\n")
				if heard == fmt.Sprintf("-- user%d is now %s\n", n, name) {
					has = append(has, n)
					break
				}
				if heard == "-- the name "+name+" is taken; choose another one\n" {
					break
				}
			}
		}
		require.Len(t, has, 1, "who has %s", name)
		won[has[0]]++
		c := users[has[0]]
		c.say(fmt.Sprint("/nick user", has[0]))
		c.skips(fmt.Sprintf("-- %s is now user%d\n", name, has[0]))
	}
	t.Log("won by user:", won)
}

// What was said in a room is kept when all servers end, NATS too. All servers have it in one order.
func TestHistory(t *testing.T) {
	kept := t.TempDir()
	store := func(o *server.Options) { o.StoreDir = kept }
	bus := startNATS(t, -1, store)
	at := port(bus)
	with := strings.Replace(options(at), "{", `{"history": 5, "greeting": false, `, 1)
	one, _ := serve(t, with, &framework.Threading{})
	two, _ := serve(t, with, &framework.Threading{})
	past := func(s *framework.BaseServer, lines int) (all []string) {
		c := dial(t, s)
		c.skips("/help lists the commands\n")
		for range lines {
			all = append(all, c.until("\n"))
		}
		c.say("/quit")
		c.skips("-- goodbye\n") // and what is said meanwhile
		require.NoError(t, c.Close())
		return all
	}
	alice, bob := enter(t, one, "alice"), enter(t, two, "bob")
	for i := range 10 {
		alice.say(fmt.Sprint("a", i))
		bob.say(fmt.Sprint("b", i))
	}
	alice.skips("bob: b9\n")
	bob.skips("alice: a9\n")
	last := past(one, 5)
	for tries := 0; tries < 500 && !slices.Equal(last, past(two, 5)); tries++ { // until both know what NATS has kept
		last = past(one, 5)
	}
	require.Equal(t, last, past(two, 5))
	bob.say("/join tea")
	bob.skips("in the room tea; /help lists the commands\n")
	bob.say("to nobody")
	alice.say("the last one")
	last = append(last[1:], "alice: the last one\n")
	for tries := 0; tries < 500 && !slices.Equal(last, past(two, 5)); tries++ {
	}
	require.Equal(t, last, past(two, 5))
	require.Eventually(t, func() bool { return stored(t, bus) == 22 }, frameworktest.Patience, time.Millisecond, "NATS has not kept what was said")
	late, _ := serve(t, with, &framework.Threading{})
	dave := enter(t, late, "dave")
	dave.say("/join tea") // where bob is, at another server that was there first
	dave.skips("in the room tea, with bob; /help lists the commands\n")
	dave.hears("bob: to nobody\n")
	late.Stop()
	one.Stop()
	two.Stop()
	natstest.Stop(bus)

	startNATS(t, at, store)
	three, _ := serve(t, with, &framework.Threading{})
	require.Equal(t, last, past(three, 5))
	carol := enter(t, three, "carol")
	carol.say("/join tea")
	carol.skips("in the room tea; /help lists the commands\n")
	carol.hears("bob: to nobody\n")
}

// stored returns the number of messages in the streams of a server, but for those of KV buckets.
func stored(t *testing.T, bus *server.Server) (messages uint64) {
	t.Helper()
	all, err := bus.Jsz(&server.JSzOptions{Accounts: true, Streams: true})
	require.NoError(t, err)
	for _, account := range all.AccountDetails {
		for _, stream := range account.Streams {
			if !strings.HasPrefix(stream.Name, "KV_") {
				messages += stream.State.Msgs
			}
		}
	}
	return messages
}

// What NATS lacks or refuses is in the log, and rooms go on.
func TestRefusedJetStream(t *testing.T) {
	users := func(refused string) func(*server.Options) {
		return func(o *server.Options) {
			o.Username, o.Password = "", ""
			o.Users = []*server.User{{Username: "user", Password: "secret", Permissions: &server.Permissions{
				Publish: &server.SubjectPermission{Deny: []string{refused}},
			}}}
		}
	}
	for name, c := range map[string]struct {
		nats     func(*server.Options)
		foreign  jetstream.StreamConfig
		expected string
	}{
		"none":    {nats: func(o *server.Options) { o.JetStream = false }, expected: "JetStream does not answer; enable it in NATS"},
		"api":     {nats: users("$JS.API.>"), expected: "and to publish to $JS.API.> and $KV.socketserver_chat_test.>"},
		"bucket":  {nats: users("$KV.>"), expected: "and to publish to $JS.API.> and $KV.socketserver_chat_test.>"},
		"foreign": {foreign: jetstream.StreamConfig{Name: "KV_socketserver_chat_test", Subjects: []string{"$KV.socketserver_chat_test.>"}}, expected: "the stream KV_socketserver_chat_test exists and is not one that rooms have made"},
		"history": {foreign: jetstream.StreamConfig{Name: "socketserver_chat_test", Subjects: []string{"else"}}, expected: "the stream socketserver_chat_test exists and is not one that rooms have made"},
		"subject": {foreign: jetstream.StreamConfig{Name: "else", Subjects: []string{"socketserver.chat.>"}}, expected: "subjects overlap"},
	} {
		t.Run(name, func(t *testing.T) {
			set := c.nats
			if set == nil {
				set = func(*server.Options) {}
			}
			at := port(startNATS(t, -1, set))
			if c.foreign.Name != "" {
				conn, err := nats.Connect(address(at))
				require.NoError(t, err)
				defer conn.Close()
				js, err := jetstream.New(conn)
				require.NoError(t, err)
				_, err = js.CreateStream(t.Context(), c.foreign)
				require.NoError(t, err)
			}
			s, log := serve(t, strings.Replace(options(at), "{", `{"history": 5, `, 1), &framework.Threading{})
			alice := dial(t, s)
			alice.skips("/help lists the commands\n")
			alice.hears(unlinked)
			log.Await(t, c.expected)
			bob := enter(t, s, "bob", alice)
			bob.say("hello")
			alice.hears("bob: hello\n")
			carol := dial(t, s)
			carol.skips(unlinked)
			carol.hears("bob: hello\n")
			require.NotContains(t, log.String(), "secret")
			require.NotContains(t, log.String(), "rooms are linked")
		})
	}
}
