package hub_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/hub"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/framework/layer/websocket"
)

// A talker sends each line of its client to the hub.
type talker struct {
	framework.StreamRequestHandler
	*talkers
}

// talkers are a class of handlers and what a test sees of them.
type talkers struct {
	hub    hub.Hub
	member func(*framework.Request, io.Writer) *hub.Member
	joined chan *hub.Member
	ended  chan error // why each member was cut off
}

func serveTalkers(t *testing.T, network string, set func(*framework.BaseServer), member func(*hub.Member)) (*talkers, *framework.BaseServer) {
	ts := &talkers{joined: make(chan *hub.Member, 100), ended: make(chan error, 100)}
	ts.member = func(r *framework.Request, wfile io.Writer) *hub.Member {
		m := hub.NewMember(r, wfile)
		if member != nil {
			member(m)
		}
		return m
	}
	s := frameworktest.NewServer(t, network, &framework.HandlerClass{New: func() framework.Handler { return &talker{talkers: ts} }})
	if set != nil {
		set(s)
	}
	frameworktest.Serve(t, s)
	return ts, s
}

func (h *talker) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	m := h.member(h.Request, wfile)
	h.hub.Join(m)
	h.joined <- m
	defer func() {
		h.hub.Leave(m)
		m.Close()
		h.ended <- m.Err()
	}()
	for {
		line, err := rfile.ReadSlice('\n')
		if err != nil {
			return err
		}
		h.hub.Broadcast(m, line)
	}
}

// joinTalker connects a client and waits until it hears others.
func joinTalker(t *testing.T, ts *talkers, s *framework.BaseServer) (net.Conn, *hub.Member) {
	t.Helper()
	conn := frameworktest.Dial(t, s)
	return conn, frameworktest.Await(t, ts.joined)
}

// All members hear everybody else, each sender in order, nothing twice and nothing of
// themselves; and those who hear the same hear it in the same order.
func TestHubOrder(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) { testHubOrder(t, network) })
	}
}

func testHubOrder(t *testing.T, network string) {
	const members, messages = 6, 200
	ts, s := serveTalkers(t, network, func(s *framework.BaseServer) { s.WriteBuffer = 512 }, queueOf(1<<20))
	var conns []net.Conn
	for range members + 2 { // two of them say nothing
		conn, _ := joinTalker(t, ts, s)
		conns = append(conns, conn)
	}
	heard := make([][]string, len(conns))
	var all sync.WaitGroup
	for i, conn := range conns {
		if i < members {
			all.Go(func() {
				for n := range messages {
					fmt.Fprintf(conn, "%d %d\n", i, n)
				}
			})
		}
		all.Go(func() {
			lines := bufio.NewScanner(conn)
			expected := members * messages
			if i < members {
				expected -= messages
			}
			for range expected {
				if !lines.Scan() {
					return
				}
				heard[i] = append(heard[i], lines.Text())
			}
		})
	}
	all.Wait()
	for i := range conns {
		next := map[string]int{strconv.Itoa(i): -1}
		for _, line := range heard[i] {
			from, n, _ := strings.Cut(line, " ")
			require.Equal(t, strconv.Itoa(next[from]), n, "member %d, from %s", i, from)
			next[from]++
		}
		if i < members {
			require.Len(t, heard[i], (members-1)*messages)
		}
	}
	require.Equal(t, heard[members], heard[members+1])
}

// A member hears what is sent after it joined and nothing before, however busy the hub is.
func TestHubJoin(t *testing.T) {
	ts, s := serveTalkers(t, "tcp", nil, nil)
	var sending sync.Mutex
	next, stop, stopped := 0, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			sending.Lock()
			ts.hub.Broadcast(nil, fmt.Appendf(nil, "%d\n", next))
			next++
			sending.Unlock()
		}
	}()
	for range 20 {
		conn, m := joinTalker(t, ts, s)
		sending.Lock()
		ts.hub.Leave(m)
		ts.hub.Join(m)
		first := next
		ts.hub.Send(m, []byte("joined\n"))
		sending.Unlock()
		lines := bufio.NewScanner(conn)
		var after []string
		for lines.Scan() && len(after) < 10 {
			if lines.Text() == "joined" || after != nil {
				after = append(after, lines.Text())
			}
		}
		for i, line := range after[1:] {
			require.Equal(t, strconv.Itoa(first+i), line)
		}
		require.NoError(t, conn.Close())
	}
	close(stop)
	<-stopped
}

func queueOf(messages int) func(*hub.Member) {
	return func(m *hub.Member) { m.Queue = messages }
}

// A member that leaves has heard what was sent before, also to it alone.
func TestHubLeave(t *testing.T) {
	ts, s := serveTalkers(t, "tcp", nil, nil)
	_, other := joinTalker(t, ts, s)
	for range 200 {
		conn, m := joinTalker(t, ts, s)
		ts.hub.Broadcast(nil, []byte("1"))
		ts.hub.Send(m, []byte("2"))
		ts.hub.Send(other, []byte("x"))
		ts.hub.Leave(m)
		ts.hub.Broadcast(nil, []byte("not heard"))
		ts.hub.Send(m, []byte("3"))
		ts.hub.Broadcast(nil, []byte("not heard"))
		ts.hub.Join(m)
		ts.hub.Broadcast(other, []byte("4"))
		ts.hub.Leave(m)
		m.Send([]byte("5"))
		frameworktest.Expect(t, conn, "12345")
		require.NoError(t, conn.Close())
		require.NoError(t, frameworktest.Await(t, ts.ended))
	}
}

// fill sends to a client that does not read until it is cut off.
func fill(m *hub.Member) {
	for message := make([]byte, 100); m.Err() == nil; {
		m.Send(message)
	}
}

// A client that does not read misses messages; it holds up nobody, and is told when it reads
// again.
func TestHubSlowDrops(t *testing.T) {
	var mu sync.Mutex
	var notices []int // the system may take more in between
	ts, s := serveTalkers(t, "tcp", nil, func(m *hub.Member) {
		m.Queue = 3
		m.Missed = func(n int) []byte {
			mu.Lock()
			defer mu.Unlock()
			notices = append(notices, n)
			return fmt.Appendf(nil, "missed %d\n", n)
		}
	})
	slow, m := joinTalker(t, ts, s)
	quick, _ := joinTalker(t, ts, s)
	const messages = 3000
	long := strings.Repeat("x", 9999) + "\n"
	go func() {
		for range messages {
			ts.hub.Broadcast(m, []byte("quick\n"))
			ts.hub.Send(m, []byte(long))
		}
	}()
	frameworktest.Expect(t, quick, strings.Repeat("quick\n", messages))
	ts.hub.Broadcast(m, []byte("end\n"))
	frameworktest.Expect(t, quick, "end\n") // all before it has been delivered
	got, late := 0, bufio.NewReader(slow)
	for told, missed := 0, 0; got+missed < messages; {
		line, err := late.ReadString('\n')
		require.NoError(t, err)
		if line == long {
			got++
			continue
		}
		mu.Lock()
		require.Equal(t, fmt.Sprintf("missed %d\n", notices[told]), line, "whole messages only")
		missed += notices[told]
		mu.Unlock()
		told++
		require.LessOrEqual(t, got+missed, messages)
	}
	frameworktest.Send(t, quick, "again\n")
	line, err := late.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "again\n", line)
}

// A client that does not read is cut off, and what it says after that is not heard.
func TestHubSlowDisconnects(t *testing.T) {
	ts, s := serveTalkers(t, "tcp", nil, func(m *hub.Member) { m.Queue, m.Disconnect = 3, true })
	conn, m := joinTalker(t, ts, s)
	fill(m)
	err := frameworktest.Await(t, ts.ended)
	require.ErrorIs(t, err, hub.ErrSlow)
	_, _ = io.Copy(io.Discard, conn) // ends
}

// One that reads nothing within the write timeout is cut off as well.
func TestMemberWriteTimeout(t *testing.T) {
	ts, s := serveTalkers(t, "tcp", func(s *framework.BaseServer) { s.Timeouts.Write = 50 * time.Millisecond }, queueOf(1))
	_, m := joinTalker(t, ts, s)
	go fill(m)
	require.EqualError(t, frameworktest.Await(t, ts.ended), "timeouts.write of 50ms has passed")
}

// What waits for a member when its handler returns is still sent.
func TestMemberClose(t *testing.T) {
	const size, messages = 1000, 8000
	ts, s := serveTalkers(t, "tcp", nil, func(m *hub.Member) { m.Queue, m.QueueBytes = messages, size*messages })
	conn, m := joinTalker(t, ts, s)
	for range messages {
		m.Send(make([]byte, size))
	}
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	all, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Len(t, all, size*messages)
	require.False(t, isClosed(m.Done()))
	require.NoError(t, frameworktest.Await(t, ts.ended))
	m.Send([]byte("late"))
}

// Cut ends a handler that reads, and one that sends to a client that does not.
func TestMemberCut(t *testing.T) {
	ts, s := serveTalkers(t, "tcp", nil, nil)
	why := errors.New("why")
	conn, m := joinTalker(t, ts, s)
	done := m.Done()
	m.Cut(why)
	m.Cut(errors.New("later"))
	frameworktest.Await(t, done)
	frameworktest.Await(t, m.Done())
	require.Equal(t, why, frameworktest.Await(t, ts.ended))
	frameworktest.ExpectEnd(t, conn)

	_, m = joinTalker(t, ts, s)
	for range 100 {
		m.Send(make([]byte, 100<<10))
	}
	m.Cut(why)
	frameworktest.Await(t, m.Done()) // also where nobody has asked before
	require.Equal(t, why, frameworktest.Await(t, ts.ended))
}

// A handler that has not read yet is ended as well, whatever its connection passes: the deadlines of the server do not put that
// off, nor does a client that goes on.
func TestMemberCutBeforeARead(t *testing.T) {
	secure, err := layer.NewTLS(layer.TLSFiles{Pairs: []layer.Pair{layer.Pair(frameworktest.NewAuthority(t).Issue(t, "localhost"))}})
	require.NoError(t, err)
	web := websocket.New(websocket.Options{})
	dialTLS := func(c net.Conn) (net.Conn, error) {
		conn := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		return conn, conn.Handshake()
	}
	for name, c := range map[string]struct {
		foreign bool
		layers  []framework.Layer
		dial    func(net.Conn) (net.Conn, error)
	}{
		"tcp":     {false, nil, func(c net.Conn) (net.Conn, error) { return c, nil }},
		"tls":     {false, []framework.Layer{secure}, dialTLS},
		"foreign": {true, []framework.Layer{secure}, dialTLS},
		"websocket": {false, []framework.Layer{web}, func(c net.Conn) (net.Conn, error) {
			return websocket.Client(c, &url.URL{Scheme: "ws", Host: "localhost", Path: "/"})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			why, joined := errors.New("why"), make(chan struct{})
			ts, s := serveTalkers(t, "tcp", func(s *framework.BaseServer) {
				if s.Layers, s.Timeouts.Idle = c.layers, time.Hour; c.foreign {
					l, err := net.Listen("tcp", "127.0.0.1:0")
					require.NoError(t, err)
					s.Transport = framework.Listener("carrier", bare{l})
				}
			}, func(m *hub.Member) { <-joined; m.Cut(why) })
			conn, err := c.dial(frameworktest.Dial(t, s))
			require.NoError(t, err)
			left := make(chan struct{})
			go func() {
				defer close(left)
				for err := error(nil); err == nil; {
					_, err = io.WriteString(conn, "and on\n")
				}
			}()
			close(joined)
			require.Equal(t, why, frameworktest.Await(t, ts.ended))
			_ = conn.Close()
			<-left
		})
	}
}

// A bare listener has connections that can do what a net.Conn can, and no more.
type bare struct{ net.Listener }

func (l bare) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return struct{ net.Conn }{c}, err
}

func TestMemberOfDatagram(t *testing.T) {
	failed := make(chan error, 1)
	ts := &talkers{member: hub.NewMember}
	s := frameworktest.NewServer(t, "udp", &framework.HandlerClass{
		New: func() framework.Handler { return &talker{talkers: ts} }, Networks: []string{"udp"},
	})
	s.HandleError = func(_ *framework.Request, err error) { failed <- err }
	frameworktest.Serve(t, s)
	frameworktest.Send(t, frameworktest.Dial(t, s), "hello\n")
	require.ErrorContains(t, frameworktest.Await(t, failed), "embed StreamRequestHandler")
}

// A busy reader is a handler that writes much to its client and then reads twice, whatever
// comes of the first time.
type busy struct {
	framework.StreamRequestHandler
	joined chan *hub.Member
	wrote  chan struct{}
	read   chan error
}

const busyBytes = 16 << 20 // more than a socket takes

func (h *busy) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	m := hub.NewMember(h.Request, wfile)
	defer m.Close()
	h.joined <- m
	_, err := wfile.Write(make([]byte, busyBytes))
	close(h.wrote)
	for range 2 {
		_, err = rfile.ReadByte()
	}
	h.read <- err
	return nil
}

// Who sends does not wait for a handler that writes, and comes after it; and a member that is
// cut off reads no more, also where a timeout is armed anew.
func TestMemberBesideHandler(t *testing.T) {
	h := &busy{joined: make(chan *hub.Member, 1), wrote: make(chan struct{}), read: make(chan error, 1)}
	s := frameworktest.NewServer(t, "tcp", &framework.HandlerClass{New: func() framework.Handler { return h }})
	s.Timeouts.Idle = time.Hour
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	m := frameworktest.Await(t, h.joined)
	_, err := io.ReadFull(conn, make([]byte, 1)) // it writes
	require.NoError(t, err)
	m.Send([]byte("after"))
	require.False(t, isClosed(h.wrote))
	_, err = io.ReadFull(conn, make([]byte, busyBytes-1))
	require.NoError(t, err)
	frameworktest.Expect(t, conn, "after")
	<-h.wrote
	m.Cut(errors.New("why"))
	require.Error(t, frameworktest.Await(t, h.read))
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
