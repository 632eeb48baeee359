package room

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"sync"
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

// Whoever can send in another server's name sends once, and that server is heard as before. No line comes twice, however many
// servers there are.
func TestForgedNumberSilencesNobody(t *testing.T) {
	r, s := linked(t, &Options{History: 1000})
	in := r.open[fold(lobby)]
	frame := func(from int, number uint64, text string) []byte {
		f := cluster.Frame{From: fmt.Sprintf("%016x", from), Number: number, Room: lobby, Text: []byte(text)}
		return f.Marshal()
	}
	s.Receive(frame(1, math.MaxUint64, "forged "))
	s.Receive(frame(1, 1, "forged, too "))
	first := frame(1, 1, "first ")
	s.Receive(first)
	require.Contains(t, string(in.history.text(1000)), "first", "it is heard")
	for n := range remembered - 1 {
		f := cluster.Frame{From: fmt.Sprintf("%016x", n+2), Number: 1, Room: "another", Text: []byte("x")}
		s.Receive(f.Marshal())
	}
	s.Stored(cluster.Stored{Sequence: 1, Frame: first})
	for n := range 10 * remembered {
		f := cluster.Frame{From: fmt.Sprintf("%016x", n), Number: 2, Room: "another", Text: []byte("x")}
		s.Receive(f.Marshal())
	}
	require.Equal(t, 1, strings.Count(string(in.history.text(1000)), "first"))
	require.LessOrEqual(t, len(r.link.heard.now)+len(r.link.heard.before), 2*remembered)
	s.Receive(frame(1, 3, strings.Repeat("\x01", cluster.MaxText)))
	require.False(t, bytes.Contains(in.history.text(1000), []byte(`\u0001`)), "it is too long when it is visible")
	require.NoError(t, r.link.close())
}

// A newcomer receives the last bytes of long lines, and is told that there were others.
func TestHistoryIsBoundedInBytes(t *testing.T) {
	var h history
	for n := range 1000 {
		h.add(line{text: fmt.Appendf(nil, "%d\n", n)}, 10)
	}
	require.True(t, strings.HasPrefix(string(h.text(10)), "990\n"))
	for n := range uint64(1000) {
		l := line{from: "a", number: n + 1, sequence: n + 1, text: []byte(strings.Repeat("x", 7999) + "\n")}
		h.add(l, 1000)
		h.store(l, 1000)
		l.from = "b"
		h.add(l, 1000)
	}
	text := string(h.text(1000))
	require.True(t, strings.HasPrefix(text, cutText))
	require.Equal(t, 8, strings.Count(text, "xx\n"))
	require.LessOrEqual(t, len(h.kept), 8)
	require.LessOrEqual(t, len(h.pending), 8)
	h.add(line{text: make([]byte, 2*maxPast)}, 1000)
	require.Len(t, h.text(1000), len(cutText)+2*maxPast, "one line is whole")
	for range 4 {
		h.add(line{text: []byte("short\n")}, 4)
	}
	require.Equal(t, "short\nshort\nshort\nshort\n", string(h.text(4)))
}

// A slowBus answers when it is told to.
type slowBus struct {
	quietBus
	asked, answer chan struct{}
}

func (b slowBus) Open(address string, s cluster.Station) (cluster.Bus, bool, error) {
	_, _, err := b.quietBus.Open(address, s)
	return b, true, err
}

func (b slowBus) History(string) ([]cluster.Stored, error) {
	b.asked <- struct{}{}
	<-b.answer
	return nil, nil
}

// A room's history is read once, however many come meanwhile.
func TestHistoryIsReadOnce(t *testing.T) {
	var s cluster.Station
	b := slowBus{quietBus{&s}, make(chan struct{}, 10), make(chan struct{})}
	r := newRooms(&Options{History: 4, Bus: "x", Driver: b})
	require.NoError(t, r.link.open("test", hclog.NewNullLogger()))
	in := r.open[fold(lobby)]
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { r.link.recall(in) })
	}
	<-b.asked
	close(b.answer)
	all.Wait()
	require.Empty(t, b.asked)
	require.NoError(t, r.link.close())
}
