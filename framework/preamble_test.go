package framework_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// headerLine is a line with the client's address.
type headerLine struct{}

// Take leaves it to Read.
func (headerLine) Take(*framework.Request) (bool, error) { return false, nil }

// Read reads byte by byte, so that none of the request is lost.
func (headerLine) Read(_ context.Context, r *framework.Request) error {
	var line []byte
	for one := make([]byte, 1); ; line = append(line, one[0]) {
		if _, err := r.Conn().Read(one); err != nil {
			return err
		}
		if one[0] == '\n' {
			break
		}
	}
	address, ok := strings.CutPrefix(string(line), "from ")
	if !ok {
		return errors.New("no header")
	}
	at, err := netip.ParseAddrPort(address)
	r.ClientAddress = net.TCPAddrFromAddrPort(at)
	return err
}

// A preamble is read beside the loop under every strategy that accepts here: slow headers hold
// up nobody, and limits and handlers see the client of the header.
func TestPreamble(t *testing.T) {
	for name, strategy := range hooked() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer["tcp"](t, class(t, act))
			s.Strategy, s.Preamble = strategy(), headerLine{}
			s.Limits = &framework.Limits{PerSource: 1}
			log := logOf(s)
			frameworktest.Serve(t, s)
			slow := frameworktest.Dial(t, s)
			frameworktest.Send(t, slow, "from 192.0.2.9")
			require.Equal(t, "hello\n", askAll(t, s, "from 192.0.2.1:1\necho hello\n"), "in one segment with its request")
			frameworktest.Send(t, slow, ":7\nclient\n")
			frameworktest.Expect(t, slow, "192.0.2.9:7\n")

			held := frameworktest.Dial(t, s)
			frameworktest.Send(t, held, "from 192.0.2.5:5\nhold\n")
			if name != "synchronous" {
				frameworktest.Expect(t, held, "holding\n")
				second := frameworktest.Dial(t, s)
				frameworktest.Send(t, second, "from 192.0.2.5:6\necho hello\n")
				frameworktest.ExpectEnd(t, second) // the limit is of the client, not of the proxy
				log.Await(t, "per_source")
				require.Equal(t, "hello\n", askAll(t, s, "from 192.0.2.6:1\necho hello\n"))
				frameworktest.Send(t, held, "done\n")
			}

			wrong := frameworktest.Dial(t, s)
			frameworktest.Send(t, wrong, "GET / HTTP/1.0\n")
			frameworktest.ExpectEnd(t, wrong)
			log.Await(t, "read preamble: no header")
		})
	}
}

// A preamble that does not come ends the connection, within Timeouts.Handshake; Stop does not
// wait for it.
func TestPreambleTimesOut(t *testing.T) {
	s := newServer["tcp"](t, class(t, act))
	s.Strategy, s.Preamble = &framework.Threading{}, headerLine{}
	s.Timeouts.Handshake = 100 * time.Millisecond
	log := logOf(s)
	frameworktest.Serve(t, s)
	frameworktest.ExpectEnd(t, frameworktest.Dial(t, s))
	log.Await(t, "timeouts.handshake of 100ms has passed")

	s = newServer["tcp"](t, class(t, act))
	s.Preamble = headerLine{}
	served := start(t, s)
	silent := frameworktest.Dial(t, s)
	require.Equal(t, "hello\n", askAll(t, s, "from 192.0.2.1:1\necho hello\n")) // silent has been accepted
	frameworktest.Shutdown(t, s)
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	frameworktest.ExpectEnd(t, silent)
}

// One source has a bounded number of connections that wait for their preamble.
func TestPreamblePerSource(t *testing.T) {
	s := newServer["tcp"](t, class(t, act))
	s.Strategy, s.Preamble = &framework.Threading{}, headerLine{}
	log := logOf(s)
	frameworktest.Serve(t, s)
	for range 256 {
		frameworktest.Dial(t, s)
	}
	frameworktest.ExpectEnd(t, frameworktest.Dial(t, s))
	log.Await(t, "too many connections wait for their preamble")
}
