package websocket_test

import (
	"bufio"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer/websocket"
)

// What is sent without a write, of which there is a deadline, has the time of the last one that there was, and leaves its deadline.
func TestWriteDeadline(t *testing.T) {
	const within = time.Second
	long := strings.Repeat("a", 70000)
	writes := func(t *testing.T, c net.Conn, p string) error {
		require.NoError(t, c.SetWriteDeadline(time.Now().Add(within)))
		_, err := io.WriteString(c, p)
		return err
	}
	for name, c := range map[string]struct {
		reads bool
		serve func(t *testing.T, c net.Conn)
		want  string // the payloads that the client gets
	}{
		"the rest of a long line": {true, func(t *testing.T, c net.Conn) {
			require.NoError(t, writes(t, c, long+"\xc3"))
			time.Sleep(3 * within)
			require.NoError(t, writes(t, c, "\xa9\n"))
		}, long + "é"},
		"before a read": {true, func(t *testing.T, c net.Conn) {
			require.NoError(t, writes(t, c, long))
			time.Sleep(within * 3 / 2)
			require.NoError(t, c.SetReadDeadline(time.Now()))
			_, err := c.Read(make([]byte, 1))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.NoError(t, writes(t, c, "b\n"))
		}, long + "b"},
		"the end": {true, func(t *testing.T, c net.Conn) {
			require.NoError(t, writes(t, c, "a\nb\xc3"))
			time.Sleep(3 * within)
			require.NoError(t, c.(*websocket.Conn).CloseWrite())
		}, "ab\uFFFD\x03\xe8"},
		"its own deadline is left": {true, func(t *testing.T, c net.Conn) {
			require.NoError(t, writes(t, c, "a"))
			time.Sleep(within + time.Millisecond)
			_, err := io.WriteString(c, "b\n")
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		}, "a"},
		"cut off": {true, func(t *testing.T, c net.Conn) {
			require.NoError(t, writes(t, c, "a"))
			require.NoError(t, c.SetDeadline(time.Now().Add(-time.Second)))
			require.ErrorIs(t, c.(*websocket.Conn).CloseWrite(), os.ErrDeadlineExceeded)
		}, ""},
		"a client that does not read": {false, func(t *testing.T, c net.Conn) {
			require.NoError(t, writes(t, c, "a"))
			time.Sleep(within * 2)
			began := time.Now()
			require.ErrorIs(t, writes(t, c, "b\n"), os.ErrDeadlineExceeded)
			require.Zero(t, time.Since(began), "it was given up before")
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				defer ours.Close()
				defer theirs.Close()
				wrapped := make(chan net.Conn, 1)
				go func() {
					c, err := websocket.New(websocket.Options{}).Wrap(t.Context(), ours)
					if err != nil {
						t.Error(err)
					}
					wrapped <- c
				}()
				go func() { _, _ = io.WriteString(theirs, request+"\r\n") }()
				r := bufio.NewReader(theirs)
				for line := ""; line != "\r\n"; {
					var err error
					line, err = r.ReadString('\n')
					require.NoError(t, err)
				}
				served := <-wrapped
				defer served.Close()
				got := make(chan string, 1)
				if c.reads {
					go func() { got <- payloads(r) }()
				}
				c.serve(t, served)
				synctest.Wait()
				require.NoError(t, ours.Close())
				if c.reads {
					require.Equal(t, c.want, <-got)
				}
			})
		})
	}
}

// A deadline that is set again is the one that was set, of the same clock: setting the system's does not move it.
func TestDeadlineIsKept(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	go func() { _, _ = io.WriteString(theirs, request+"\r\n") }()
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	below := recorder{ours, make(chan time.Time, 10)}
	c, err := websocket.New(websocket.Options{}).Wrap(t.Context(), below)
	require.NoError(t, err)
	by := time.Now().Add(time.Hour) // a bubble's clock is that of the system alone
	require.NoError(t, c.SetWriteDeadline(by))
	_, err = io.WriteString(c, "a")
	require.NoError(t, err)
	frameworktest.Await(t, below.set)
	frameworktest.Await(t, below.set, "of the message that the beginning of a line becomes")
	again := frameworktest.Await(t, below.set)
	require.Equal(t, by.String(), again.String(), "also of the monotonic clock")
}

// A recorder passes the deadlines of writes that are set.
type recorder struct {
	net.Conn
	set chan time.Time
}

func (r recorder) SetWriteDeadline(t time.Time) error {
	r.set <- t
	return r.Conn.SetWriteDeadline(t)
}

// payloads returns those of all frames.
func payloads(r io.Reader) string {
	var all strings.Builder
	for {
		h, err := ws.ReadHeader(r)
		if err != nil {
			return all.String()
		}
		_, _ = io.CopyN(&all, r, h.Length)
	}
}
