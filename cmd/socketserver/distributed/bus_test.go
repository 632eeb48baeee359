package distributed

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// By the bus a request is a datagram or a line. What NATS does not take is an error of its own, and one that was delivered
// is not sent to another worker.
func TestBus(t *testing.T) {
	server := serveNATS(t, 1<<20)
	nc, other := connectTo(t, server), connectTo(t, server)
	startWorker(t, nc, "another", 10)
	f, s, log := startFrontOf(t, nc, "tcp", true)
	errs := make(chan error, 1)
	s.HandleError, s.MaxLine, s.OnStop = func(_ *framework.Request, err error) { errs <- err }, -1, func() {}
	frameworktest.Serve(t, s)
	ask := func(text string) (string, error) {
		c := frameworktest.Dial(t, s)
		frameworktest.Send(t, c, text)
		if !strings.Contains(text, "\n") {
			require.NoError(t, c.(*net.TCPConn).CloseWrite())
		}
		answer, err := io.ReadAll(c)
		return string(answer), err
	}
	answer, err := ask("who\n")
	require.NoError(t, err)
	require.Equal(t, "no worker", answer)
	require.ErrorContains(t, frameworktest.Await(t, errs), `no worker serves "s"`)
	log.await(t, "worker is of another build")

	full, _ := startWorker(t, other, "b", 1)
	f.ask()
	log.await(t, "worker is known")
	answer, err = ask("who") // without a newline; the end of the stream ends it
	require.NoError(t, err)
	require.Contains(t, answer, " of tcp asked "+s.Addr().String())
	answer, err = ask("fail\nwhat is not read")
	require.NoError(t, err)
	require.Equal(t, "half of the answer", answer)
	require.EqualError(t, frameworktest.Await(t, errs), "by request")
	_, err = ask(strings.Repeat("x", 1<<20) + "\n")
	require.NoError(t, err)
	require.ErrorContains(t, frameworktest.Await(t, errs), "and NATS takes 1048576")
	_, err = ask("flood\n")
	require.NoError(t, err)
	require.ErrorContains(t, frameworktest.Await(t, errs), "the answer has more than the 983040 bytes that go by NATS")

	lost := frameworktest.Dial(t, s)
	frameworktest.Send(t, lost, "wait\n")
	require.Eventually(t, func() bool { return full.offers(other).Servers[0].Free == 0 }, frameworktest.Patience, time.Millisecond)
	next, _ := startWorker(t, nc, "b", 1)
	f.ask()
	log.await(t, "worker is known")
	for _, w := range []*Worker{full, next} { // both say that they have room, the full one more
		o := w.offers(nc)
		o.Servers[0].Free = 1
		if w == full {
			o.Servers[0].Free = 2
		}
		offered(t, f, o)
	}
	answer, err = ask("who\n")
	require.NoError(t, err)
	require.Contains(t, answer, " of tcp asked ")

	other.Close()
	began := time.Now()
	_, err = io.ReadAll(lost)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.ErrorIs(t, frameworktest.Await(t, errs), framework.ErrWorkerGone)
	t.Logf("a loss was told after %s", time.Since(began))
	answer, err = ask("who\n") // where the worker that has gone is known still
	require.NoError(t, err)
	require.Contains(t, answer, " of tcp asked ")
}

func TestDatagramByBus(t *testing.T) {
	server := serveNATS(t, 600)
	nc := connectTo(t, server)
	startWorker(t, nc, "b", 10)
	_, s, log := startFrontOf(t, nc, "udp", true)
	errs := make(chan error, 1)
	s.HandleError = func(_ *framework.Request, err error) { errs <- err }
	s.Timeouts.Request = 250 * time.Millisecond
	frameworktest.Serve(t, s)
	log.await(t, "worker is known")
	c := frameworktest.Dial(t, s)
	require.Equal(t, c.LocalAddr().String()+" of udp asked "+s.Addr().String(), frameworktest.Ask(t, c, "who\n"))
	require.Equal(t, "what follows", frameworktest.Ask(t, c, "echo\nwhat follows"))
	frameworktest.Send(t, c, "panic\n") // its stack is longer than that
	require.EqualError(t, frameworktest.Await(t, errs), "NATS takes 600 bytes, and the answer with its outcome has more")
	frameworktest.Send(t, c, "wait\n")
	require.EqualError(t, frameworktest.Await(t, errs), "timeouts.request of 250ms has passed: i/o timeout")
	gone := nc.StatusChanged(nats.RECONNECTING)
	server.Shutdown()
	frameworktest.Await(t, gone)
	frameworktest.Send(t, c, "who\n")
	require.EqualError(t, frameworktest.Await(t, errs), "NATS, by which requests get to workers, cannot be reached")
}

// A losing connection of NATS loses what has answer in it, as one does that ends before the system has sent that.
type losing struct {
	net.Conn
	answer string
}

func (c *losing) Write(p []byte) (int, error) {
	if c.answer != "" && bytes.Contains(p, []byte(c.answer)) {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// A dialer makes losing connections, unless it is down, and has the last one.
type dialer struct {
	answer string
	down   atomic.Bool
	last   atomic.Pointer[losing]
}

func (d *dialer) Dial(network, address string) (net.Conn, error) {
	if d.down.Load() {
		return nil, syscall.ECONNREFUSED
	}
	c, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	l := &losing{c, d.answer}
	d.last.Store(l)
	return l, nil
}

// An answer that NATS does not deliver ends the request with an error, though the worker is there.
func TestAnswerIsLost(t *testing.T) {
	server := serveNATS(t, 1<<20)
	conn, err := nats.Connect(server.ClientURL(), nats.SetCustomDialer(&dialer{answer: " of tcp asked "}))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	startWorker(t, conn, "b", 10)
	f, s, log := startFrontOf(t, connectTo(t, server), "tcp", true)
	errs := make(chan error, 1)
	s.HandleError = func(_ *framework.Request, err error) { errs <- err }
	frameworktest.Serve(t, s)
	f.ask()
	log.await(t, "worker is known")
	c := frameworktest.Dial(t, s)
	frameworktest.Send(t, c, "wait\n")
	other := frameworktest.Dial(t, s)
	frameworktest.Send(t, other, "who\n")
	_, err = io.ReadAll(other)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.ErrorIs(t, frameworktest.Await(t, errs), errNoAnswer)
	s.Stop()
	frameworktest.Expect(t, c, "stopped") // the worker has had this one all the time
}

// A worker answers again where NATS did not take the answer, and says which requests it has.
func TestWorkerAnswersAgain(t *testing.T) {
	server := serveNATS(t, 1<<20)
	d := &dialer{}
	conn, err := nats.Connect(server.ClientURL(), nats.SetCustomDialer(d), nats.ReconnectBufSize(-1), nats.ReconnectWait(time.Millisecond), nats.ReconnectJitter(0, 0))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	w, s := startWorker(t, conn, "b", 10)
	nc := connectTo(t, server)
	subject := bus{prefix: "test."}.subject(w.identity.fingerprint)
	has := func(id string) string {
		m, err := nc.RequestMsg(&nats.Msg{Subject: subject, Header: nats.Header{lookHeader: {id}}}, frameworktest.Patience)
		require.NoError(t, err)
		return string(m.Data)
	}
	answers, err := nc.SubscribeSync("answers")
	require.NoError(t, err)
	var sent bytes.Buffer
	h := hello{ID: "its", Server: "s", Build: "b", Network: "tcp"}
	require.NoError(t, h.send(&sent))
	sent.WriteString("wait\n")
	require.NoError(t, nc.PublishRequest(subject, "answers", sent.Bytes()))
	require.Empty(t, has("its"))
	require.Equal(t, string(rune(unknown)), has("another"))
	m, err := nc.Request(subject, nil, frameworktest.Patience) // as a front of an older version
	require.NoError(t, err)
	require.Empty(t, m.Data)

	d.down.Store(true)
	gone := conn.StatusChanged(nats.RECONNECTING)
	require.NoError(t, d.last.Load().Close())
	frameworktest.Await(t, gone)
	s.Stop()
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.active) == 0 // which is so just before it answers
	}, frameworktest.Patience, time.Millisecond)
	d.down.Store(false)
	m, err = answers.NextMsg(frameworktest.Patience)
	require.NoError(t, err)
	require.Equal(t, byte(over), m.Data[0])
	require.Contains(t, string(m.Data), "stopped")
}

// What could be answered to nobody does not keep a worker from what fronts send.
func TestMessageWithoutReply(t *testing.T) {
	for _, text := range []string{"", "x"} {
		(&Worker{}).take(bus{}, &nats.Msg{Data: []byte(text)}) // would wait for a connection
	}
}
