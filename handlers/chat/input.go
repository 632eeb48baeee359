package chat

import (
	"bufio"
	"context"
	"errors"
	"io"
	"time"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/hub"
	"github.com/go-socketserver/socketserver/handlers/framing"
	"github.com/go-socketserver/socketserver/internal/text"
)

// errStopping cuts clients off when the server stops: nobody says goodbye first, so there is
// nothing to be waited for.
var errStopping = errors.New("chat: the server stops")

// newMember makes the member that a client is to others. It is cut off when its server
// stops; stop has to be called when it is closed.
func newMember(r *framework.Request, wfile io.Writer, o *Options) (m *hub.Member, stop func() bool) {
	m = hub.NewMember(r, wfile)
	m.Queue, m.Disconnect, m.Missed = o.Queue, o.Slow == Disconnect, missed
	return m, context.AfterFunc(r.Context(), func() { m.Cut(errStopping) })
}

// An input is what one client says: chunks, as they may be relayed.
type input struct {
	member  *hub.Member
	rfile   *bufio.Reader
	chunks  *framing.Reader
	ahead   []byte // has been read, and comes before the next chunk
	screen  text.Stream
	bucket  bucket
	drained bool // the client has ended
}

func newInput(m *hub.Member, r *framework.Request, rfile *bufio.Reader, o *Options) *input {
	return &input{
		member: m, rfile: rfile, chunks: framing.NewReader(framing.Chunk, r, rfile),
		screen: text.Stream{Form: o.form()}, bucket: bucket{rate: o.Rate, tokens: burst},
	}
}

// chunk returns the next chunk as it came. Where the client was cut off the error says why,
// and is nil-like, io.EOF, where the server stops.
func (in *input) chunk() ([]byte, error) {
	if ahead := in.ahead; len(ahead) > 0 {
		in.ahead = nil
		return ahead, nil
	}
	m, err := in.chunks.Next()
	if why := in.cutOff(); why != nil {
		return nil, why
	}
	return m.Data, err
}

func (in *input) cutOff() error { return cutOff(in.member) }

// cutOff says why a client was cut off; io.EOF: the server stops.
func cutOff(m *hub.Member) error {
	why := m.Err()
	if errors.Is(why, errStopping) {
		return io.EOF
	}
	return why
}

// next returns what the client says next, which is never empty, and io.EOF at the end. It is
// valid until the next call.
func (in *input) next() ([]byte, error) {
	for !in.drained {
		chunk, err := in.chunk()
		if errors.Is(err, io.EOF) {
			in.drained = true
			if rest := in.screen.Rest(); len(rest) > 0 {
				return rest, nil
			}
			break
		}
		if err != nil {
			return nil, err
		}
		if shown := in.screen.Next(chunk); len(shown) > 0 {
			return shown, nil
		}
	}
	return nil, io.EOF
}

// pace waits until the next message may be relayed. It is called for each of them.
func (in *input) pace() error {
	wait := in.bucket.take(time.Now())
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-in.member.Done():
	}
	return in.cutOff()
}

// burst is how many messages come before the rate counts.
const burst = 5

// A bucket bounds how many messages of one client are relayed. Those that are too early wait
// in the client's own connection.
type bucket struct {
	rate   float64 // a second; 0: no bound
	tokens float64
	last   time.Time
}

// take returns how long to wait for the message that came at the time at.
func (b *bucket) take(at time.Time) time.Duration {
	if b.rate == 0 {
		return 0
	}
	if !b.last.IsZero() {
		b.tokens = min(burst, b.tokens+at.Sub(b.last).Seconds()*b.rate)
	}
	b.last = at
	b.tokens--
	return time.Duration(max(0, -b.tokens) / b.rate * float64(time.Second))
}
