package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// A client sends one request after the other. Its goroutine owns it; other goroutines may only
// call stop.
type client struct {
	*round
	pace
	number int
	shard  *shard
	dialer net.Dialer
	opened int // connections

	mu      sync.Mutex // guards setting conn, its deadline and stopped
	conn    net.Conn   // nil: not open
	armed   time.Time  // conn's deadline
	stopped bool

	answer   []byte // the latest one, or the part of it that arrived
	answered int64
	warm     int64 // requests answered before the round was counted
	errors   map[string]int64
}

func newClient(r *round, number int, start time.Time) *client {
	return &client{
		round:  r,
		pace:   newPace(r.Plan, number, start),
		number: number,
		shard:  &r.shards[number%len(r.shards)],
		dialer: net.Dialer{Timeout: r.Timeout, KeepAlive: -1},
		answer: make([]byte, 0, 4096+2*len(r.Message)),
		errors: map[string]int64{},
	}
}

// run sends requests until the round is over.
func (c *client) run() {
	defer c.alarm.close()
	defer c.close()
	for c.next(c.ctx) {
		err := c.request()
		if err != nil || c.Kind == result.Connections {
			c.close()
		}
		c.now = time.Now()
		if !c.now.Before(c.end) || err != nil && c.ctx.Err() != nil {
			return // unanswered
		}
		c.count(err)
		c.settled(err)
	}
}

// count counts the request that has just ended.
func (c *client) count(err error) {
	if c.now.Before(c.begin) {
		if err == nil {
			c.warm++
		}
		return
	}
	if err == nil {
		c.answered++
		c.shard.record(c.now.Sub(c.since))
		return
	}
	kind := kind(err)
	c.errors[kind]++
	if kind == Timeout {
		c.shard.record(c.now.Sub(c.since))
	}
}

// request sends a request and reads its answer.
func (c *client) request() error {
	c.waiting, c.answer = true, c.answer[:0]
	if err := c.open(); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.Message); err != nil {
		return err
	}
	if c.Answer == EOF && c.Kind == result.Connections {
		if err := c.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			return err
		}
	}
	return c.read()
}

// open opens a connection if there is none, and arms its deadline if that leaves less than the
// timeout. Deadlines have slack: arming one costs as much as the rest of the client's own work.
func (c *client) open() error {
	if c.conn != nil && c.armed.Sub(c.now) >= c.Timeout {
		return nil
	}
	conn := c.conn
	if conn == nil {
		var err error
		if conn, err = c.dial(); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.armed = conn, c.now.Add(c.Timeout+c.Timeout/8)
	if c.stopped {
		c.armed = past
	}
	return conn.SetDeadline(c.armed)
}

var past = time.Unix(1, 0)

func (c *client) dial() (net.Conn, error) {
	c.opened++
	if c.Network == "unixgram" {
		// An abstract name, which vanishes with the process. None is used twice: a late answer would
		// be taken for that of the next request.
		name := fmt.Sprintf("@socketserver-load-%d-%d/%d.%d", os.Getpid(), c.round.number, c.number, c.opened)
		c.dialer.LocalAddr = &net.UnixAddr{Net: c.Network, Name: name}
	}
	return c.dialer.DialContext(c.ctx, c.Network, c.Address)
}

// read reads the answer.
func (c *client) read() error {
	for {
		if len(c.answer) == cap(c.answer) {
			if len(c.answer) >= maxAnswer {
				return errWrongAnswer
			}
			c.answer = append(c.answer, 0)[:len(c.answer)]
		}
		n, err := c.conn.Read(c.answer[len(c.answer):cap(c.answer)])
		c.answer = c.answer[:len(c.answer)+n]
		if c.complete(n, err) {
			return c.check()
		}
		if err != nil {
			return err
		}
	}
}

// complete reports whether the n bytes just read, or the error, end the answer.
func (c *client) complete(n int, err error) bool {
	switch {
	case c.Kind == result.Datagrams:
		return err == nil
	case c.Answer == Chunk:
		return n > 0
	case c.Answer == Line && bytes.IndexByte(c.answer[len(c.answer)-n:], '\n') >= 0:
		return true
	case c.Kind == result.Conversations:
		return false
	}
	return errors.Is(err, io.EOF) && len(c.answer) > 0
}

// check reports a wrong answer. In a conversation, bytes after the line would be taken for the
// next answer.
func (c *client) check() error {
	more := c.Kind == result.Conversations && c.Answer == Line && bytes.IndexByte(c.answer, '\n') < len(c.answer)-1
	if more || !bytes.Contains(c.answer, c.Contains) {
		return errWrongAnswer
	}
	return nil
}

// stop makes every wait of the client end, also later ones.
func (c *client) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.alarm.stop()
	if c.conn != nil {
		_ = c.conn.SetDeadline(past)
	}
}

// close closes the connection, if there is one.
func (c *client) close() {
	c.mu.Lock()
	conn := c.conn
	c.conn = nil
	c.mu.Unlock()
	if conn == nil {
		return
	}
	// If ports get short the connection is reset, which leaves no port in TIME_WAIT, but which the
	// server may notice.
	if tcp, ok := conn.(*net.TCPConn); ok && !c.ports.spare(c.now) {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
