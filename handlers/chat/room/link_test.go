package room

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
)

// A quietBus is linked to no server, so that a test decides what others send, and when.
type quietBus struct{ sent chan string }

func (quietBus) Check(string) error { return nil }

func (b quietBus) Open(string, cluster.Station) (cluster.Bus, bool, error) { return b, true, nil }

func (b quietBus) Send(_ string, frame []byte) error {
	b.sent <- string(frame)
	return nil
}

func (quietBus) MaxFrame() int { return 1 << 20 }

func (quietBus) Close() error { return nil }

// A server that falls silent is forgotten with its users: after ten seconds, or soon after the
// link was down. Every server announces its users every two seconds.
func TestSilentServerIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := quietBus{make(chan string, 100)}
		r := newRooms(&Options{Bus: "x", Driver: bus, Commands: true})
		require.NoError(t, r.link.open("test", hclog.NewNullLogger()))
		receive := func(frame string) { r.link.receive(r.link.id, []byte(frame)) }
		announce := func(number string) {
			receive(`{"from": "00000000000000aa", "named": true, "kind": "state", "last": true, "number": ` + number +
				`, "people": [{"id": 1, "name": "far", "room": "lobby", "since": 1}]}`)
		}
		present := func() string { return r.present(r.open[fold(lobby)]) }
		announce("1")
		for len(bus.sent) > 0 {
			<-bus.sent
		}
		time.Sleep(9 * time.Second)
		require.Equal(t, "far", present())
		require.Len(t, bus.sent, 4)
		require.Contains(t, <-bus.sent, `"kind":"state"`)
		time.Sleep(4 * time.Second)
		require.Empty(t, present())
		require.True(t, r.isFree("far", nil))

		announce("2")
		r.link.changed(r.link.id, false)
		require.Empty(t, present())
		require.False(t, r.isFree("far", nil), "the name is kept")
		time.Sleep(time.Minute)
		r.link.changed(r.link.id, true)
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, "far", present(), "the server may still announce it")
		time.Sleep(3500 * time.Millisecond)
		require.Empty(t, present())
		require.NoError(t, r.link.close())
		require.NoError(t, r.link.close())
		announce("3")
		require.Empty(t, present())
	})
}

// Users who were at another server before this one joined are not announced; later ones are.
func TestFirstStateIsNotAnnounced(t *testing.T) {
	r := newRooms(&Options{Bus: "x", Greeting: true})
	r.link.peers = cluster.NewPeers(fold)
	s, _ := r.link.peers.Server(&cluster.Frame{From: "a", Number: 1})
	one, two := cluster.Presence{ID: 1, Name: "one", Room: lobby}, cluster.Presence{ID: 2, Name: "two", Room: lobby}
	require.Empty(t, r.link.replace(s, []cluster.Presence{one}, true))
	notices := r.link.replace(s, []cluster.Presence{one, two}, true)
	require.Len(t, notices, 1)
	require.Equal(t, "欢迎two来到我们的聊天室!", string(notices[0].text))
	notices = r.link.replace(s, []cluster.Presence{two}, false)
	require.Len(t, notices, 1)
	require.Equal(t, "one离开了我们的聊天室!", string(notices[0].text))
}
