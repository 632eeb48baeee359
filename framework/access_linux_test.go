package framework_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// from connects to s from an address of this machine.
func from(t *testing.T, s *framework.BaseServer, ip string) net.Conn {
	t.Helper()
	d := net.Dialer{Timeout: frameworktest.Patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	if s.Addr().Network() == "udp" {
		d.LocalAddr = &net.UDPAddr{IP: net.ParseIP(ip)}
	}
	c, err := d.Dial(s.Addr().Network(), s.Addr().String())
	require.NoError(t, err)
	return frameworktest.Adopt(t, c)
}

func networks(all ...string) (list []netip.Prefix) {
	for _, n := range all {
		list = append(list, netip.MustParsePrefix(n))
	}
	return list
}

// Access is applied where clients are accepted, also for the workers of preforking, and changes
// while the server serves.
func TestAccess(t *testing.T) {
	for name, strategy := range map[string]framework.Strategy{"threading": &framework.Threading{}, "preforking": &framework.Preforking{Workers: 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newTracer()
			s := newServer["tcp"](t, class(t, act))
			s.Strategy, s.Trace = strategy, &r.Trace
			s.Limits = &framework.Limits{
				Access: framework.Access{Allow: networks("127.0.0.0/30"), Deny: networks("127.0.0.2/32")}, Banner: "full\n",
			}
			log := logOf(s)
			frameworktest.Serve(t, s)
			require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
			for _, ip := range []string{"127.0.0.2", "127.0.0.4"} {
				frameworktest.ExpectEnd(t, from(t, s, ip))
				require.Equal(t, framework.RefusedAccess, frameworktest.Await(t, r.refused))
			}
			log.Await(t, "client refused: access does not let it in: client=127.0.0.2:")
			s.Limits.Change(&framework.Limits{Access: framework.Access{Deny: networks("127.0.0.1/32")}})
			frameworktest.ExpectEnd(t, from(t, s, "127.0.0.1"))
			c := from(t, s, "127.0.0.4")
			frameworktest.Send(t, c, "echo hello\n")
			frameworktest.Expect(t, c, "hello\n")
		})
	}
}

// A datagram that is refused is not answered, also where the loop runs the handler.
func TestAccessOfDatagrams(t *testing.T) {
	r := newTracer()
	s := newServer["udp"](t, class(t, echo))
	s.Trace, s.Limits = &r.Trace, &framework.Limits{Access: framework.Access{Deny: networks("127.0.0.2/32")}, Banner: "full\n"}
	frameworktest.Serve(t, s)
	denied := from(t, s, "127.0.0.2")
	frameworktest.Send(t, denied, "hello\n")
	require.Equal(t, framework.RefusedAccess, frameworktest.Await(t, r.refused))
	require.Equal(t, "hello\n", ask(t, s, "hello\n"))
	requireSilent(t, denied)
}

// A source that asks too often is refused, with all that it asks for in the penalty, and others are not.
func TestRatePerSource(t *testing.T) {
	for name, strategy := range map[string]framework.Strategy{"threading": &framework.Threading{}, "preforking": &framework.Preforking{Workers: 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newTracer()
			s := newServer["tcp"](t, class(t, act))
			s.Strategy, s.Trace = strategy, &r.Trace
			limits := func(n int) *framework.Limits {
				return &framework.Limits{RatePerSource: framework.Rate{N: n, Per: time.Hour}, Penalty: time.Hour, Banner: "too often\n"}
			}
			s.Limits = limits(3)
			log := logOf(s)
			frameworktest.Serve(t, s)
			for range 3 {
				require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
			}
			for range 2 {
				c := from(t, s, "127.0.0.1")
				frameworktest.Expect(t, c, "too often\n")
				require.Equal(t, framework.RefusedRatePerSource, frameworktest.Await(t, r.refused))
			}
			log.Await(t, `limit=rate_per_source value=3/h next="raise limits.rate_per_source"`)
			other := from(t, s, "127.0.0.2")
			frameworktest.Send(t, other, "echo hello\n")
			frameworktest.Expect(t, other, "hello\n")
			s.Limits.Change(limits(4)) // which it has at once, whatever it has had
			for range 4 {
				require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
			}
			frameworktest.Expect(t, from(t, s, "127.0.0.1"), "too often\n")
			s.Limits.Change(&framework.Limits{})
			require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
		})
	}
}

// The rate of a server is of all its clients. More of them wait in turn, or are refused.
func TestRate(t *testing.T) {
	s := newServer["tcp"](t, class(t, act))
	s.Strategy, s.Limits = &framework.Threading{}, &framework.Limits{Rate: framework.Rate{N: 2, Per: 100 * time.Millisecond}}
	frameworktest.Serve(t, s)
	began := time.Now()
	for range 5 {
		require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
	}
	require.GreaterOrEqual(t, time.Since(began), 150*time.Millisecond)

	s.Limits.Change(&framework.Limits{Rate: framework.Rate{N: 1, Per: time.Hour}, Refuse: true, Banner: "later\n"})
	require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
	frameworktest.Expect(t, from(t, s, "127.0.0.1"), "later\n")
	s.Limits.Change(&framework.Limits{Rate: framework.Rate{N: 1, Per: time.Hour}})
	waits := from(t, s, "127.0.0.1")
	frameworktest.Send(t, waits, "echo hello\n")
	requireSilent(t, waits)
	s.Limits.Change(&framework.Limits{Rate: framework.Rate{N: 1, Per: time.Minute}}) // which ends the wait
	frameworktest.Expect(t, waits, "hello\n")
	require.NoError(t, waits.Close())
	waits = from(t, s, "127.0.0.1")
	frameworktest.Send(t, waits, "echo hello\n")
	requireSilent(t, waits)
	frameworktest.Shutdown(t, s) // which does not wait for the next hour
	frameworktest.ExpectEnd(t, waits)
}

// The clients of a Unix socket are told apart by their user.
func TestPerSourceOfUsers(t *testing.T) {
	r := newTracer()
	s := newServer["unix"](t, class(t, act))
	source := make(chan string, 2)
	r.Refused = func(request *framework.Request, why framework.Refusal) {
		source <- request.Source().String() + " " + string(why)
	}
	s.Strategy, s.Limits, s.Trace = &framework.Threading{}, &framework.Limits{PerSource: 1}, &r.Trace
	frameworktest.Serve(t, s)
	held := hold(t, s)
	frameworktest.ExpectEnd(t, frameworktest.Dial(t, s))
	require.Equal(t, fmt.Sprintf("uid %d per_source", os.Getuid()), frameworktest.Await(t, source))
	frameworktest.Send(t, held, "go\n")
}

// A client of one transport of a server cannot take the share of a user at another one by the name of its socket.
func TestNamesAreNotUsers(t *testing.T) {
	t.Chdir(t.TempDir())
	limits := &framework.Limits{RatePerSource: framework.Rate{N: 2, Per: time.Hour}, Penalty: time.Hour, Banner: "too often\n"}
	s, packets := newServer["unix"](t, class(t, act)), framework.NewUnixDatagramServer("packets", class(t, act))
	s.Limits, packets.Limits = limits, limits
	frameworktest.Serve(t, s)
	book := logOf(&packets.BaseServer)
	frameworktest.Serve(t, &packets.BaseServer)
	client := bindUnixgram(t, fmt.Sprintf("uid %d", os.Geteuid()))
	for range 3 {
		require.NoError(t, syscall.Sendto(client, []byte("client\n"), 0, &syscall.SockaddrUnix{Name: "packets"}))
	}
	book.Await(t, "limit=rate_per_source")
	require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
}
