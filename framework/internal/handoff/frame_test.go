package handoff

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// samples are one frame of each kind.
var samples = []Frame{
	{Kind: Hello, Body: []byte(`{"files":1024}`)},
	{Kind: Configure, Body: []byte(`{"server":"echo"}`)},
	{Kind: Stream, ID: 1, Flags: Last, Network: "tcp", Client: "127.0.0.1:1", Local: "[::1]:2", ReadBuffer: 4096, WriteBuffer: -1},
	{Kind: Datagram, ID: 2, Network: "unixgram", Client: "", Local: "/run/s", Body: []byte("hello")},
	{Kind: Cancel, ID: 3},
	{Kind: Outcome, ID: 4, Status: Panicked, Flags: Stop, Text: "no\nstack", Body: []byte("answer")},
	{Kind: Outcome, ID: 5, Flags: Count, In: 7, Out: 1 << 40, Body: []byte("answer")},
	{Kind: Event, ID: 6, Flags: Ended, Status: PeerGone, Request: 3, Duration: 1e9, In: 5, Out: 6, Network: "tcp", Client: "[::1]:9", Local: "[::1]:2", Text: "gone"},
}

func TestFrameRoundTrip(t *testing.T) {
	for _, f := range samples {
		got, err := Parse(f.Append(nil))
		require.NoError(t, err)
		if len(got.Body) == 0 {
			got.Body = nil
		}
		require.Equal(t, f, got)
	}
}

// A frame that is cut off anywhere in what it must have is refused.
func TestFrameCutOff(t *testing.T) {
	for _, f := range samples {
		whole := f.Append(nil)
		for n := range len(whole) - len(f.Body) {
			_, err := Parse(whole[:n])
			require.Error(t, err, "%d bytes of a frame of kind %d", n, f.Kind)
		}
	}
}

func TestFrameRefused(t *testing.T) {
	_, err := Parse([]byte{99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	require.ErrorContains(t, err, "unknown kind 99")
	_, err = Parse([]byte{byte(Cancel), 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	require.Error(t, err)
	_, err = Parse((&Frame{Kind: Outcome, Status: 200}).Append(nil))
	require.ErrorContains(t, err, "status 200")
}

// What a handler says about its failure is cut, not refused.
func TestFrameLongText(t *testing.T) {
	got, err := Parse((&Frame{Kind: Outcome, Status: Failed, Text: strings.Repeat("x", 2*MaxText)}).Append(nil))
	require.NoError(t, err)
	require.Len(t, got.Text, MaxText)
}

// Whatever bytes arrive, parsing does not panic, and what it accepts it writes again.
func FuzzParse(f *testing.F) {
	for _, sample := range samples {
		f.Add(sample.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed, err := Parse(b)
		if err == nil {
			require.Equal(t, b, parsed.Append(nil))
		}
	})
}

// The numbers are in PROTOCOL.md: plugins in other languages have them.
func TestNumbersOfTheProtocol(t *testing.T) {
	require.Equal(t, []Kind{1, 2, 3, 4, 5, 6, 7}, []Kind{Hello, Configure, Stream, Datagram, Cancel, Outcome, Ack})
	require.Equal(t, []byte{1, 2, 4, 8}, []byte{Last, Stop, WantAck, Nagle})
	require.Equal(t, []Status{0, 1, 2, 3, 4}, []Status{OK, Failed, Panicked, PeerGone, TimedOut})
	f := Frame{Kind: Stream, Flags: WantAck, ID: 7, ReadBuffer: 1, WriteBuffer: -1, KeepAlive: 3, Network: "tcp", Client: "c", Local: "l"}
	require.Equal(t, "\x03\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"+
		"\x00\x00\x00\x01\xff\xff\xff\xff\x00\x00\x00\x03\x00\x03tcp\x00\x01c\x00\x01l", string(f.Append(nil)))
}
