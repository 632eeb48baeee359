package distributed

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/internal/natsclient/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect connects to a NATS server of its own.
func connect(t testing.TB) *nats.Conn {
	t.Helper()
	return connectTo(t, serveNATS(t, 1<<20))
}

func serveNATS(t testing.TB, maxPayload int32) *natsserver.Server {
	t.Helper()
	return natstest.Serve(t, &natsserver.Options{MaxPayload: maxPayload})
}

func connectTo(t testing.TB, s *natsserver.Server) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(s.ClientURL())
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn
}

// acting does what the first line of a client says.
type acting struct{ framework.BaseRequestHandler }

func (h *acting) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	line, err := rfile.ReadString('\n')
	if line == "" {
		return err
	}
	switch strings.TrimSpace(line) {
	case "who":
		who := fmt.Sprintf("%s of %s asked %s", h.ClientAddress, h.Network, h.LocalAddress)
		if h.TLS != nil {
			who += ", by " + h.TLS.ServerName
		}
		_, err = io.WriteString(wfile, who)
	case "panic":
		panic("by request")
	case "fail":
		h.StopServer()
		_, err = io.WriteString(wfile, "half of the answer")
		err = errors.Join(err, errors.New("by request"))
	case "wait":
		<-h.Context().Done()
		_, err = io.WriteString(wfile, "stopped")
	case "bulk": // and reads nothing more
		_, err = wfile.Write(bytes.Repeat([]byte("x"), 1<<20))
	case "flood":
		for err == nil {
			_, err = wfile.Write(make([]byte, 1<<20))
		}
	case "end": // what it writes, and reads on
		if err = h.Conn().(interface{ CloseWrite() error }).CloseWrite(); err == nil {
			_, err = io.Copy(io.Discard, rfile)
		}
	default:
		_, err = io.Copy(wfile, rfile)
	}
	return err
}

func class() *framework.HandlerClass {
	return &framework.HandlerClass{New: func() framework.Handler { return &acting{} }}
}

// startWorker serves with a worker that fronts of conn find.
func startWorker(t testing.TB, conn *nats.Conn, build string, most int) (*Worker, *framework.BaseServer) {
	t.Helper()
	w, err := NewWorker("127.0.0.1:0", hclog.NewNullLogger())
	require.NoError(t, err)
	t.Cleanup(w.Close)
	service, err := micro.AddService(conn, micro.Config{Name: "workers", Version: "1.0.0", QueueGroupDisabled: true})
	require.NoError(t, err)
	require.NoError(t, w.Announce(service, conn, "test."))
	s := &framework.BaseServer{Name: "s", Transport: w.Transport("s", build, most), Class: class(), Strategy: &framework.Threading{}, Log: hclog.NewNullLogger(), OnStop: func() {}}
	return w, frameworktest.Serve(t, s)
}

// startFront makes a server that passes its requests to those workers.
func startFront(t testing.TB, conn *nats.Conn) (*Front, *framework.BaseServer, *lines) {
	t.Helper()
	return startFrontOf(t, conn, "tcp", false)
}

func startFrontOf(t testing.TB, conn *nats.Conn, network string, bus bool) (*Front, *framework.BaseServer, *lines) {
	t.Helper()
	log := &lines{more: make(chan string, 100)}
	f, err := NewFront(hclog.New(&hclog.LoggerOptions{Output: log}))
	require.NoError(t, err)
	ran := make(chan error, 1)
	go func() { ran <- f.Run(t.Context(), conn, "test.") }()
	t.Cleanup(func() { require.NoError(t, <-ran) })
	require.Eventually(t, func() bool { // it has begun: a request before that finds no NATS
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.bus.conn != nil
	}, frameworktest.Patience, time.Millisecond)
	s := frameworktest.NewServer(t, network, class())
	s.Strategy, s.Limits = &Strategy{Front: f, Server: "s", Build: "b", Bus: bus}, &framework.Limits{Banner: "no worker"}
	return f, s, log
}

// lines is a log.
type lines struct{ more chan string }

func (l *lines) Write(p []byte) (int, error) {
	l.more <- string(p)
	return len(p), nil
}

func (l *lines) await(t testing.TB, text string) {
	t.Helper()
	for !strings.Contains(frameworktest.Await(t, l.more, text), text) {
	}
}

// A handler on a worker knows the client, and a conversation is that of a connection: its ends, its bulk.
func TestConversation(t *testing.T) {
	conn := connect(t)
	startWorker(t, conn, "b", 10)
	_, s, _ := startFront(t, conn)
	own := frameworktest.NewAuthority(t)
	secure, err := layer.NewTLS(layer.TLSFiles{Pairs: []layer.Pair{layer.Pair(own.Issue(t, "localhost"))}})
	require.NoError(t, err)
	s.Layers = []framework.Layer{secure}
	frameworktest.Serve(t, s)
	dial := func() net.Conn {
		c := tls.Client(frameworktest.Dial(t, s), &tls.Config{ServerName: "localhost", InsecureSkipVerify: true})
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	c := dial()
	require.Equal(t, fmt.Sprintf("%s of tcp asked %s, by localhost", c.LocalAddr(), s.Addr()), frameworktest.Ask(t, c, "who\n"))
	frameworktest.ExpectEnd(t, c)

	c = dial()
	frameworktest.Send(t, c, "bulk\nwhat is not read")
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Len(t, answer, 1<<20)

	c = dial()
	const size = 8 << 20 // more than all buffers on the way have, so that it is not taken before the client reads
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(append([]byte("echo\n"), make([]byte, size)...))
		if err == nil {
			err = c.(*tls.Conn).CloseWrite()
		}
		sent <- err
	}()
	n, err := io.Copy(io.Discard, c)
	require.NoError(t, err)
	require.EqualValues(t, size, n)
	require.NoError(t, frameworktest.Await(t, sent))

	c = dial()
	frameworktest.Send(t, c, "end\n")
	frameworktest.ExpectEnd(t, c)
	_, err = c.Write(make([]byte, 1<<10))
	require.NoError(t, err)
}

// offered has a front learn an offer.
func offered(t *testing.T, f *Front, o offers) {
	t.Helper()
	text, err := json.Marshal(o)
	require.NoError(t, err)
	f.learn(text)
}

// A worker of another build is not used, and one that is full, or has more than it offers, passes a client on to the next.
func TestChoice(t *testing.T) {
	conn := connect(t)
	startWorker(t, conn, "another", 10)
	f, s, log := startFront(t, conn)
	frameworktest.Serve(t, s)
	require.Equal(t, "no worker", frameworktest.Ask(t, frameworktest.Dial(t, s), "\n"))
	log.await(t, "worker is of another build or configuration, and is not used")

	first, one := startWorker(t, conn, "b", 1)
	f.ask()
	log.await(t, "worker is known")
	c := frameworktest.Dial(t, s)
	frameworktest.Send(t, c, "\n")
	require.Equal(t, "hello", frameworktest.Ask(t, c, "hello"))
	next := first.Transport("s", "b", 1) // takes the place of the one that has the request, and shares its slot
	require.NoError(t, next.Open())
	require.Zero(t, first.offers(conn).Servers[0].Free)
	require.NoError(t, next.Close())
	second, _ := startWorker(t, conn, "b", 1)
	f.ask()
	log.await(t, "worker is known")
	for free, w := range map[int]*Worker{2: first, 1: second} { // both say that they have room, the full one more
		o := w.offers(conn)
		o.Servers[0].Free = free
		offered(t, f, o)
	}
	other := frameworktest.Dial(t, s)
	frameworktest.Send(t, other, "\n")
	require.Equal(t, "hello", frameworktest.Ask(t, other, "hello"))

	require.NoError(t, other.Close())
	done := make(chan struct{})
	go func() { defer close(done); _ = one.Retire(t.Context()) }()
	require.Equal(t, "goes on", frameworktest.Ask(t, c, "goes on"))
	other = frameworktest.Dial(t, s)
	frameworktest.Send(t, other, "\n")
	require.Equal(t, "hello", frameworktest.Ask(t, other, "hello"))
	require.NoError(t, c.Close())
	frameworktest.Await(t, done)
}

// Neither a front that was not announced gets anything from a worker, nor a worker whose certificate was not.
func TestStrangers(t *testing.T) {
	conn := connect(t)
	w, _ := startWorker(t, conn, "b", 10)
	stranger, err := newIdentity()
	require.NoError(t, err)
	raw := frameworktest.DialAddress(t, "tcp", w.listener.Addr().String())
	c := tls.Client(raw, stranger.config(func(string) bool { return true }))
	if err = c.Handshake(); err == nil { // the worker decides after its own
		_, err = c.Read(make([]byte, 1))
	}
	require.ErrorContains(t, err, "bad certificate")
	older := stranger.config(func(string) bool { return true })
	older.MinVersion, older.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	require.ErrorContains(t, tls.Client(frameworktest.DialAddress(t, "tcp", w.listener.Addr().String()), older).Handshake(), "protocol version")

	f, s, log := startFront(t, conn)
	frameworktest.Serve(t, s)
	log.await(t, "worker is known")
	o := w.offers(conn)
	o.Worker = stranger.fingerprint // at the address of another one
	o.Servers[0].Free = 1000
	offered(t, f, o)
	ask := frameworktest.Dial(t, s)
	frameworktest.Send(t, ask, "\n")
	require.Equal(t, "hello", frameworktest.Ask(t, ask, "hello"))
	log.await(t, "worker cannot be reached; others are used")

	o.Worker, o.Address = strings.Repeat("0", 64), frameworktest.Address(t, "tcp")
	offered(t, f, o)
	ask = frameworktest.Dial(t, s)
	frameworktest.Send(t, ask, "\n")
	require.Equal(t, "hello", frameworktest.Ask(t, ask, "hello"))
	log.await(t, `error="connection refused"`)
}

// What somebody else in the account announces neither fills the memory or the log of a front and a worker, nor takes the place
// of those that are there.
func TestAnnouncementsAreBounded(t *testing.T) {
	var log bytes.Buffer
	f, err := NewFront(hclog.New(&hclog.LoggerOptions{Output: &log}))
	require.NoError(t, err)
	f.use("s", 1)
	of := func(n int) string { return fmt.Sprintf("%064x", n) }
	mine := []offer{{"s", "b", 1}}
	for _, o := range []offers{
		{"", "127.0.0.1:1", mine},
		{"w", "127.0.0.1:1", mine},
		{strings.Repeat("w", 64), "127.0.0.1:1", mine},
		{strings.Repeat("A", 64), "127.0.0.1:1", mine},
		{of(1) + strings.Repeat("0", 900_000), "127.0.0.1:1", mine},
		{of(1), "evil\nline\x1b[2J", mine},
		{of(1), "localhost:1", mine},
		{of(1), "127.0.0.1:0", mine},
		{of(1), "[fe80::1%" + strings.Repeat("x", maxAddress) + "]:1", mine},
		{of(1), "127.0.0.1:1", []offer{{"s", strings.Repeat("b", maxOffers), 1}}},
	} {
		offered(t, f, o)
		require.Empty(t, f.workers, "%.80q", o)
	}
	offered(t, f, offers{of(0), "127.0.0.1:1", append([]offer{{"another", "b", 1}, {"s", strings.Repeat("b", maxBuild+1), 1}}, mine...)})
	require.Equal(t, map[string]*offer{"s": &mine[0]}, f.workers[of(0)].servers)
	for n := range 2 * maxWorkers {
		offered(t, f, offers{of(n), "127.0.0.1:1", mine})
	}
	require.Equal(t, maxWorkers, len(f.workers)) // which Len would print
	require.Contains(t, f.workers, of(0))
	require.Less(t, bytes.Count(log.Bytes(), []byte("\n")), maxWorkers/2)

	w, _ := startWorker(t, connect(t), "b", 1)
	require.True(t, w.trust(of(0)))
	for n := range 2 * maxFronts {
		require.Equal(t, n < maxFronts, w.trust(of(n)), n)
	}
	require.True(t, w.trusts(of(0)))
	w.mu.Lock()
	w.fronts[of(1)] = time.Now().Add(-silent) // it has left
	w.mu.Unlock()
	require.True(t, w.trust(of(maxFronts)))
	require.False(t, w.trusts(of(1)))
	require.False(t, w.trust(of(maxFronts+1)))
}

// A worker tells its offers to a front, and to nobody that cannot be one.
func TestQuestionOfNoFront(t *testing.T) {
	conn := connect(t)
	w, _ := startWorker(t, conn, "b", 1)
	inbox := conn.NewRespInbox()
	answers, err := conn.SubscribeSync(inbox)
	require.NoError(t, err)
	known := strings.Repeat("0", 64)
	for _, front := range []string{"", "x", strings.Repeat("x", 500_000), known} {
		text, err := json.Marshal(question{front})
		require.NoError(t, err)
		require.NoError(t, conn.PublishRequest("test."+offersEndpoint, inbox, text))
	}
	_, err = answers.NextMsg(frameworktest.Patience) // that to the last one, as they are taken in turn
	require.NoError(t, err)
	require.True(t, w.trusts(known))
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Len(t, w.fronts, 1)
}

// A connection to a worker resumes the session of one before, which saves the signatures of both.
func TestResumption(t *testing.T) {
	conn := connect(t)
	startWorker(t, conn, "b", 10)
	f, s, log := startFront(t, conn)
	frameworktest.Serve(t, s)
	log.await(t, "worker is known")
	for n := range 2 {
		w, _, _, _ := f.pick("s", "b")
		c, err := f.dial(t.Context(), w, &hello{Server: "s", Build: "b"})
		require.NoError(t, err)
		require.Equal(t, n > 0, c.ConnectionState().DidResume)
		abort(c.tcp)
	}
}

// A client that does not read is cut off within the write timeout.
func TestDeafClient(t *testing.T) {
	conn := connect(t)
	startWorker(t, conn, "b", 1)
	_, s, log := startFront(t, conn)
	s.Timeouts.Write = 50 * time.Millisecond
	errs := make(chan error, 1)
	s.HandleError = func(_ *framework.Request, err error) { errs <- err }
	frameworktest.Serve(t, s)
	log.await(t, "worker is known")
	deaf := frameworktest.Dial(t, s)
	frameworktest.Send(t, deaf, "flood\n")
	require.ErrorContains(t, frameworktest.Await(t, errs), "timeouts.write of 50ms has passed")
}

// A front learns how its requests have ended, with the answers whole.
func TestOutcome(t *testing.T) {
	conn := connect(t)
	startWorker(t, conn, "b", 10)
	for name, bus := range map[string]bool{"tunnel": false, "bus": true} {
		t.Run(name, func(t *testing.T) {
			_, s, log := startFrontOf(t, conn, "tcp", bus)
			ended, stopped := make(chan framework.Outcome, 1), make(chan struct{})
			s.Trace = &framework.Trace{Ended: func(_ *framework.Request, o framework.Outcome) { ended <- o }}
			s.OnStop = func() { close(stopped) }
			s.HandleError = func(*framework.Request, error) {}
			frameworktest.Serve(t, s)
			log.await(t, "worker is known")
			ask := func(text string) (string, framework.Outcome) {
				c := frameworktest.Dial(t, s)
				frameworktest.Send(t, c, text)
				return frameworktest.End(t, c), frameworktest.Await(t, ended)
			}
			answer, o := ask("panic\n")
			panicked := (*framework.PanicError)(nil)
			require.ErrorAs(t, o.Err, &panicked)
			require.Equal(t, "by request", panicked.Value)
			require.Contains(t, string(panicked.Stack), "Handle")
			require.Empty(t, answer)
			answer, o = ask("fail\n")
			require.EqualError(t, o.Err, "by request")
			require.True(t, o.Started)
			require.Equal(t, "half of the answer", answer)
			require.Equal(t, []int64{5, 18}, []int64{o.In, o.Out})
			frameworktest.Await(t, stopped)
		})
	}
}

// When the front stops the context of a handler on a worker is cancelled, as in the front, and its answer arrives.
func TestFrontStops(t *testing.T) {
	conn := connect(t)
	w, worker := startWorker(t, conn, "b", 10)
	active := func() int { return 10 - w.offers(conn).Servers[0].Free }
	for name, bus := range map[string]bool{"tunnel": false, "bus": true} {
		t.Run(name, func(t *testing.T) {
			_, s, log := startFrontOf(t, conn, "tcp", bus)
			frameworktest.Serve(t, s)
			log.await(t, "worker is known")
			c := frameworktest.Dial(t, s)
			frameworktest.Send(t, c, "wait\n")
			require.Eventually(t, func() bool { return worker.Active() == 1 }, frameworktest.Patience, time.Millisecond) // it has begun
			s.Stop()
			require.Equal(t, "stopped", frameworktest.End(t, c))
			require.Eventually(t, func() bool { return active() == 0 }, frameworktest.Patience, time.Millisecond)
		})
	}
	t.Run("before it begins", func(t *testing.T) {
		f, s, log := startFront(t, conn)
		frameworktest.Serve(t, s)
		log.await(t, "worker is known")
		remote, _, _, _ := f.pick("s", "b")
		c, err := f.dial(t.Context(), remote, &hello{ID: "one", Server: "s", Build: "b", Network: "tcp"})
		require.NoError(t, err)
		w.stop("one")
		_, err = c.Write([]byte("Bwait\n"))
		require.NoError(t, err)
		part := make([]byte, partHead+len("stopped"))
		_, err = io.ReadFull(c, part)
		require.NoError(t, err)
		require.Equal(t, "stopped", string(part[partHead:]))
		abort(c.tcp)
	})
}

// A request has its own slot, also if its front has tried before with the same ID, as after a timeout.
func TestSlotsOfOneID(t *testing.T) {
	conn := connect(t)
	w, _ := startWorker(t, conn, "b", 10)
	free := func() int { return w.offers(conn).Servers[0].Free }
	h := hello{ID: "one", Server: "s", Build: "b", Network: "tcp"}
	first, second := new(framework.Request), new(framework.Request)
	for _, r := range []*framework.Request{first, second} {
		_, answer := w.reserve(h, r)
		require.EqualValues(t, ready, answer)
	}
	require.Equal(t, 8, free())
	at := w.serving("s")
	require.ErrorIs(t, at.cancel(first, io.EOF), io.EOF)
	require.Equal(t, 9, free())
	w.stop("one")
	require.ErrorIs(t, at.cancel(second, io.EOF), io.EOF)
	require.Equal(t, 10, free())
}

// What waits for a slot of a worker looks again when that is forgotten.
func TestForgottenWorker(t *testing.T) {
	conn := connect(t)
	f, err := NewFront(hclog.NewNullLogger())
	require.NoError(t, err)
	f.use("s", 1)
	offered(t, f, offers{strings.Repeat("0", 64), "127.0.0.1:1", []offer{{"s", "b", 0}}})
	_, full, _, changed := f.pick("s", "b")
	require.True(t, full)
	for range maxMiss {
		require.True(t, f.mayAsk(conn, true))
	}
	select {
	case <-changed:
		t.Fatal("it is known still")
	default:
	}
	require.True(t, f.mayAsk(conn, true))
	frameworktest.Await(t, changed)
	_, full, away, _ := f.pick("s", "b")
	require.False(t, full || away)
}

// A worker that is known by another address has the requests that it had, and is gone with them.
func TestWorkerHasMoved(t *testing.T) {
	conn := connect(t)
	f, err := NewFront(hclog.NewNullLogger())
	require.NoError(t, err)
	f.use("s", 1)
	worker := strings.Repeat("0", 64)
	offered(t, f, offers{worker, "127.0.0.1:1", nil})
	before := f.workers[worker]
	offered(t, f, offers{worker, "127.0.0.1:2", nil})
	require.Equal(t, "127.0.0.1:2", f.workers[worker].address)
	for range maxMiss + 1 {
		select {
		case <-before.gone:
			t.Fatal("it is taken for gone")
		default:
		}
		f.mayAsk(conn, true)
	}
	require.Empty(t, f.workers)
	frameworktest.Await(t, before.gone)
}
