package chat

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
)

// A quietBus is linked to nobody, so that a test can say what others send, and when.
type quietBus struct{ sent chan string }

func (quietBus) Check(string) error { return nil }

func (b quietBus) Open(string, Station) (Bus, bool, error) { return b, true, nil }

func (b quietBus) Send(_ string, frame []byte) { b.sent <- string(frame) }

func (quietBus) Close() error { return nil }

// A server that says nothing any more is forgotten with its people, after ten seconds or
// soon after the link was lost and has come back. Each says every two seconds who is there.
func TestSilence(t *testing.T) {
	before := Buses
	defer func() { Buses = before }()
	synctest.Test(t, func(t *testing.T) {
		bus := quietBus{make(chan string, 100)}
		Buses = bus
		r := newRooms(&Options{Bus: "x", Commands: true})
		require.NoError(t, r.link.open("test", hclog.NewNullLogger()))
		hears := func(frame string) { r.link.receive(r.link.id, []byte(frame)) }
		arrive := func(number string) {
			hears(`{"from": "00000000000000aa", "named": true, "kind": "state", "last": true, "number": ` + number +
				`, "people": [{"id": 1, "name": "far", "room": "lobby", "since": 1}]}`)
		}
		there := func() string { return r.present(r.open[fold(lobby)]) }
		arrive("1")
		for len(bus.sent) > 0 {
			<-bus.sent
		}
		time.Sleep(9 * time.Second)
		require.Equal(t, "far", there())
		require.Len(t, bus.sent, 4)
		require.Contains(t, <-bus.sent, `"kind":"state"`)
		time.Sleep(4 * time.Second)
		require.Empty(t, there())
		require.True(t, r.isFree("far", nil))

		arrive("2")
		r.link.changed(r.link.id, false)
		require.Empty(t, there())
		require.False(t, r.isFree("far", nil), "the name is kept")
		time.Sleep(time.Minute)
		r.link.changed(r.link.id, true)
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, "far", there(), "it may still say so")
		time.Sleep(3500 * time.Millisecond)
		require.Empty(t, there())
		require.NoError(t, r.link.close())
		require.NoError(t, r.link.close())
		arrive("3")
		require.Empty(t, there())
	})
}

// Who was there before this server came is not announced here; who comes later is.
func TestStateQuietly(t *testing.T) {
	r := newRooms(&Options{Bus: "x", Greeting: true})
	r.link.crowd = newCrowd()
	s := &server{people: map[uint64]*stranger{}}
	one, two := presence{ID: 1, Name: "one", Room: lobby}, presence{ID: 2, Name: "two", Room: lobby}
	require.Empty(t, r.link.replace(s, []presence{one}, true))
	news := r.link.replace(s, []presence{one, two}, true)
	require.Len(t, news, 1)
	require.Equal(t, "欢迎two来到我们的聊天室!", string(news[0].text))
	news = r.link.replace(s, []presence{two}, false)
	require.Len(t, news, 1)
	require.Equal(t, "one离开了我们的聊天室!", string(news[0].text))
}

// A state in parts counts when it is whole.
func TestStateParts(t *testing.T) {
	s := &server{}
	part := func(n int, id uint64, last bool) ([]presence, bool) {
		return s.collect(&frame{Part: n, Last: last, People: []presence{{ID: id}}})
	}
	_, whole := part(0, 1, false)
	require.False(t, whole)
	people, whole := part(1, 2, true)
	require.True(t, whole)
	require.Len(t, people, 2)
	_, _ = part(0, 1, false)
	_, whole = part(2, 3, true) // one was lost
	require.False(t, whole)
	_, whole = part(3, 4, true)
	require.False(t, whole)
	people, whole = part(0, 1, true)
	require.True(t, whole)
	require.Len(t, people, 1)
}
