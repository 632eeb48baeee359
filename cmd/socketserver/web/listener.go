package web

import (
	"container/list"
	"errors"
	"net"
	"net/http"
	"sync"

	"github.com/go-socketserver/socketserver/framework"
)

// A transport is one of the framework as package http knows it.
type transport struct{ framework.Transport }

// Accept returns the next connection.
func (t transport) Accept() (net.Conn, error) {
	r, err := t.GetRequest()
	if err != nil {
		return nil, err
	}
	return r.Conn(), nil
}

// Passing returns err, of an accept, as one after which [http.Server] accepts again, with back-off. Only a
// closed listener ends it.
func Passing(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return err
	}
	return passing{err}
}

type passing struct{ error }

func (p passing) Unwrap() error { return p.error }
func (passing) Temporary() bool { return true }
func (passing) Timeout() bool   { return false }

// A listener has at most maxConnections connections. One more takes the place of the one that has been
// without a request for longest, so that who connects and is silent keeps nobody out; it waits where all
// have requests.
type listener struct {
	net.Listener

	mu     sync.Mutex
	freed  sync.Cond // a connection has ended, or has no request any more
	open   int
	silent list.List // of *connection: those without a request, that of the longest silence first
	closed bool
}

func limit(l net.Listener) *listener {
	own := &listener{Listener: l}
	own.freed.L = &own.mu
	return own
}

// Accept returns the next connection.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, Passing(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.open == maxConnections && !l.closed {
		if first := l.silent.Front(); first != nil {
			_ = l.end(first.Value.(*connection))
			continue
		}
		l.freed.Wait()
	}
	if l.closed {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	l.open++
	own := &connection{Conn: c, listener: l}
	own.silent = l.silent.PushBack(own)
	return own, nil
}

// Close stops accepting.
func (l *listener) Close() error {
	l.mu.Lock()
	l.closed = true
	l.freed.Broadcast()
	l.mu.Unlock()
	return l.Listener.Close()
}

// end closes a connection and frees its place. The caller holds mu.
func (l *listener) end(c *connection) error {
	c.speak()
	if !c.ended {
		c.ended = true
		l.open--
		l.freed.Signal()
	}
	return c.Conn.Close()
}

// A connection has a place of its listener until it is closed.
type connection struct {
	net.Conn
	listener *listener
	silent   *list.Element // in the list of its listener; nil: it has a request
	ended    bool
}

// speak takes c off the list of the silent.
func (c *connection) speak() {
	if c.silent != nil {
		c.listener.silent.Remove(c.silent)
		c.silent = nil
	}
}

// Close closes the connection.
func (c *connection) Close() error {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	return c.listener.end(c)
}

// changed notes that all of a request's head has come, or that its answer has gone.
func changed(conn net.Conn, state http.ConnState) {
	c := conn.(*connection)
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	switch {
	case state == http.StateActive:
		c.speak()
	case state == http.StateIdle && !c.ended:
		c.silent = c.listener.silent.PushBack(c)
		c.listener.freed.Signal()
	}
}
