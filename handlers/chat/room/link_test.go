package room

import (
	"fmt"
	"strings"
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
		announce := func() {
			r.link.receive([]byte(`{"from": "00000000000000aa", "named": true, "kind": "came", "people": [{"id": 1, "name": "far", "room": "lobby", "since": 1}]}`))
		}
		present := func() string { return r.present(r.open[fold(lobby)]) }
		announce()
		for len(bus.sent) > 0 {
			<-bus.sent
		}
		time.Sleep(9 * time.Second)
		require.Equal(t, "far", present())
		require.Len(t, bus.sent, 4)
		require.Contains(t, <-bus.sent, `"kind":"came"`)
		time.Sleep(4 * time.Second)
		require.Empty(t, present())
		require.True(t, r.isFree("far", nil))

		announce()
		r.link.changed(false)
		require.Empty(t, present())
		require.False(t, r.isFree("far", nil), "the name is kept")
		time.Sleep(time.Minute)
		r.link.changed(true)
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, "far", present(), "the server may still announce it")
		time.Sleep(3500 * time.Millisecond)
		require.Empty(t, present())
		require.NoError(t, r.link.close())
		require.NoError(t, r.link.close())
		announce()
		require.Empty(t, present())
	})
}

// Users who were at another server before this one joined are not announced; later ones are.
func TestUsersOfBeforeAreNotAnnounced(t *testing.T) {
	r := newRooms(&Options{Bus: "x", Greeting: true})
	r.link.servers = map[string]*server{}
	r.open[fold(lobby)].users[&user{name: "here"}] = struct{}{}
	s, _ := r.link.sender(&cluster.Frame{From: "a"})
	one, two := cluster.Presence{ID: 1, Name: "one", Room: lobby}, cluster.Presence{ID: 2, Name: "two", Room: lobby}
	announced := func(reply bool, users ...cluster.Presence) string {
		var all strings.Builder
		for _, n := range r.link.merge(s, &cluster.Frame{Reply: reply, Users: users}) {
			all.Write(n.text)
		}
		return all.String()
	}
	require.Empty(t, announced(true, one)) // the whole in two frames
	require.Empty(t, announced(true, two))
	require.Empty(t, announced(false, one, two))
	three := cluster.Presence{ID: 3, Name: "three", Room: lobby}
	require.Equal(t, "欢迎three来到我们的聊天室!", announced(true, one, two, three)) // to one who asks again
	four := cluster.Presence{ID: 4, Name: "four", Room: lobby}
	require.Equal(t, "欢迎four来到我们的聊天室!", announced(false, four))
}

// A user that its server does not announce any more is forgotten, though its departure was lost.
func TestUserThatIsNotAnnouncedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRooms(&Options{Bus: "x", Greeting: true})
		r.link.servers, r.link.linked = map[string]*server{}, true
		s, _ := r.link.sender(&cluster.Frame{From: "a"})
		put := func(ids ...uint64) {
			for _, id := range ids {
				r.link.put(s, cluster.Presence{ID: id, Name: fmt.Sprint("user", id), Room: "tea"})
			}
		}
		put(1, 2)
		time.Sleep(silence)
		require.Empty(t, r.link.expire())
		_, isNew := r.link.sender(&cluster.Frame{From: "a"})
		require.False(t, isNew)
		put(1)
		time.Sleep(time.Second)
		notices := r.link.expire()
		require.Empty(t, notices, "nobody is there to be notified")
		require.Equal(t, "user1", r.present(r.open["TEA"]))
		require.True(t, r.isFree("user2", nil))
		r.link.forget(s)
		require.NotContains(t, r.open, "TEA", "a room exists while it has users")
	})
}
