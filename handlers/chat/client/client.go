// Package client is what the modes of chat share: a connected client, and the text that it
// sends to others.
package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
	"unicode"

	"golang.org/x/time/rate"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/hub"
	"github.com/go-socketserver/socketserver/handlers/framing"
	"github.com/go-socketserver/socketserver/internal/text"
)

// Options are the same for all clients of a server.
type Options struct {
	Raw        bool    // relay control bytes and invalid UTF-8 unchanged
	Queue      int     // messages that may wait for a client that does not read
	Disconnect bool    // cut off a client for which more wait, rather than dropping messages
	Rate       float64 // messages a second that are read after the first five; 0: no limit
}

// Form returns the form in which a client's text goes to others.
func (o *Options) Form() text.Form {
	if o.Raw {
		return text.Raw
	}
	return text.Relay
}

// burst is the number of messages that are read before the rate applies.
const burst = 5

// errStopping cuts clients off when the server stops, so that shutdown does not wait for them.
var errStopping = errors.New("chat: the server stops")

// A Client is a connected client: the member to which others send, and the reader of its own
// messages, which are chunks.
type Client struct {
	*hub.Member
	chunks *framing.Reader
	shown  text.Stream
	ended  bool          // the client has closed its side
	rate   *rate.Limiter // nil: no limit
	stop   func() bool
}

// New makes the client of a request. It is cut off when the server stops. The caller closes it.
func New(r *framework.Request, rfile *bufio.Reader, wfile io.Writer, o *Options) *Client {
	c := &Client{
		Member: hub.NewMember(r, wfile), chunks: framing.NewReader(framing.Chunk, r, rfile), shown: text.Stream{Form: o.Form()},
	}
	c.Queue, c.Disconnect, c.Missed = o.Queue, o.Disconnect, missed
	if o.Rate > 0 {
		c.rate = rate.NewLimiter(rate.Limit(o.Rate), burst)
	}
	c.stop = context.AfterFunc(r.Context(), func() { c.Cut(errStopping) })
	return c
}

func missed(n int) []byte {
	noun, verb := "messages", "were"
	if n == 1 {
		noun, verb = "message", "was"
	}
	return fmt.Appendf(nil, "\n-- you read too slowly: %d %s %s left out\n", n, noun, verb)
}

// Close waits until the client has taken what waits for it, unless it was cut off.
func (c *Client) Close() {
	c.stop()
	c.Member.Close()
}

// CutOff returns the reason why the client was cut off, or nil; io.EOF if the server stops.
func (c *Client) CutOff() error {
	if why := c.Err(); !errors.Is(why, errStopping) {
		return why
	}
	return io.EOF
}

// Stopping reports whether the client was cut off because the server stops.
func (c *Client) Stopping() bool { return errors.Is(c.Err(), errStopping) }

// Next returns the next text to relay, which is never empty, and io.EOF at the end. It is valid
// until the next call. After the client was cut off it returns [Client.CutOff].
func (c *Client) Next() ([]byte, error) {
	for !c.ended {
		chunk, err := c.chunks.Next()
		shown := c.shown.Next(chunk.Data)
		switch why := c.CutOff(); {
		case why != nil:
			return nil, why
		case errors.Is(err, io.EOF):
			c.ended = true
			shown = c.shown.Rest()
		case err != nil:
			return nil, err
		}
		if len(shown) > 0 {
			return shown, nil
		}
	}
	return nil, io.EOF
}

// NextPaced is Next, followed by Pace.
func (c *Client) NextPaced() ([]byte, error) {
	text, err := c.Next()
	if err == nil {
		err = c.Pace()
	}
	return text, err
}

// Pace waits until the rate allows one more message. Those that are too early wait in the
// client's own connection.
func (c *Client) Pace() error {
	if c.rate == nil {
		return nil
	}
	delay := c.rate.Reserve().Delay()
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.Done():
	}
	return c.CutOff()
}

// Name returns a client's address as Python writes it: a tuple, or the path of a Unix socket,
// which the client may have chosen.
func Name(a net.Addr) string {
	switch a := a.(type) {
	case *net.TCPAddr:
		if a.IP.To4() != nil {
			return fmt.Sprintf("('%s', %d)", a.IP, a.Port)
		}
		return fmt.Sprintf("('%s', %d, 0, 0)", a.IP, a.Port)
	case *net.UnixAddr:
		if a.Name != "@" { // which is a socket that is not bound
			return string(text.Relay.Append([]byte("'"), []byte(a.Name))) + "'"
		}
	}
	return "''"
}

// IsInvisible reports whether r is drawn as nothing, even if it counts as a letter.
func IsInvisible(r rune) bool {
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Cf)
}
