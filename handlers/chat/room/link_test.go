package room

import (
	"fmt"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
)

// A quietBus is linked to no server, so that a test decides what others do, and when.
type quietBus struct{ station *cluster.Station }

func (quietBus) Check(string) error { return nil }

func (b quietBus) Open(_ string, s cluster.Station) (cluster.Bus, bool, error) {
	*b.station = s
	return b, true, nil
}

func (quietBus) Send(string, []byte) error                { return nil }
func (quietBus) Say(string, []byte) error                 { return nil }
func (quietBus) Claim(string, cluster.Presence) error     { return nil }
func (quietBus) Release(string)                           {}
func (quietBus) History(string) ([]cluster.Stored, error) { return nil, nil }
func (quietBus) Close() error                             { return nil }

func linked(t *testing.T, o *Options) (*rooms, *cluster.Station) {
	t.Helper()
	var s cluster.Station
	o.Bus, o.Driver = "x", quietBus{&s}
	r := newRooms(o)
	require.NoError(t, r.link.open("test", hclog.NewNullLogger()))
	return r, &s
}

func presence(id uint64, name, room string) cluster.Presence {
	return cluster.Presence{Server: "00000000000000aa", ID: id, Named: true, Name: name, Room: room}
}

// A user of another server is renamed by a new key, and then the old one goes.
func TestUsersOfTheTable(t *testing.T) {
	r, s := linked(t, &Options{Commands: true})
	present := func() string { return r.present(r.open[fold(lobby)]) }
	s.Present(presence(1, "far", lobby))
	require.Equal(t, "far", present())
	s.Present(presence(1, "farther", lobby))
	s.Absent(presence(1, "far", lobby))
	require.Equal(t, "farther", present())
	s.Present(presence(1, "Farther", "tea"))
	require.Empty(t, present())
	require.Contains(t, r.open, "TEA")
	s.Linked(false)
	require.Empty(t, r.present(r.open["TEA"]))
	s.Linked(true)
	s.Absent(presence(1, "Farther", "tea"))
	require.NotContains(t, r.open, "TEA", "a room exists while it has users")
	require.Empty(t, r.names)
	require.Empty(t, r.link.servers)
	require.NoError(t, r.link.close())
	require.NoError(t, r.link.close())
}

// A line that comes by itself and with the history is one, whichever is first, and the history has the order of the
// bus. What the bus does not keep stays where it was said.
func TestHistoryOfTheBus(t *testing.T) {
	r, s := linked(t, &Options{History: 4})
	in := r.open[fold(lobby)]
	frame := func(from string, number uint64) []byte {
		f := cluster.Frame{From: "00000000000000" + from, Number: number, Room: lobby, Text: fmt.Appendf(nil, "%s%d ", from, number)}
		return f.Marshal()
	}
	for _, number := range []uint64{1, 2} {
		s.Receive(frame("aa", number))
	}
	s.Receive(frame("bb", 1))
	require.Equal(t, "aa1 aa2 bb1 ", string(in.history.text(4)))
	s.Stored(cluster.Stored{Sequence: 5, Frame: frame("bb", 1)})
	require.Equal(t, "bb1 aa1 aa2 ", string(in.history.text(4)))
	s.Stored(cluster.Stored{Sequence: 7, Frame: frame("aa", 2)}) // the one before is not kept
	s.Stored(cluster.Stored{Sequence: 8, Frame: frame("bb", 2)})
	s.Receive(frame("bb", 2))
	require.Equal(t, "bb1 aa1 aa2 bb2 ", string(in.history.text(4)))
	in.history.store(line{from: "old", number: 1, sequence: 6, text: []byte("old ")}, 4) // as it is read again
	in.history.store(line{from: "bb", number: 2, sequence: 8, text: []byte("bb2 ")}, 4)
	require.Equal(t, "old aa1 aa2 bb2 ", string(in.history.text(4)))
	require.NoError(t, r.link.close())
}
