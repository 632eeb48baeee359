package websocket_test

import (
	"bufio"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/layer/websocket"
)

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u
}

func client(t *testing.T, address string) *websocket.Conn {
	t.Helper()
	u := mustParse(t, address)
	conn, err := net.Dial("tcp", u.Host)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c, err := websocket.Client(conn, u)
	require.NoError(t, err)
	return c
}

// A deadline may end a read anywhere in a frame; the next read goes on there.
func TestDeadlinesWithinFrames(t *testing.T) {
	ours, theirs := net.Pipe()
	begun := make(chan net.Conn, 1)
	go func() {
		c, err := websocket.New(websocket.Options{}).Wrap(t.Context(), ours)
		if err != nil {
			t.Error(err)
		}
		begun <- c
	}()
	go func() { _, _ = theirs.Write([]byte(request + "\r\n")) }()
	r := bufio.NewReader(theirs)
	for line := ""; line != "\r\n"; {
		var err error
		line, err = r.ReadString('\n')
		require.NoError(t, err)
	}
	c := <-begun
	frame := []byte("\x01\x83\x00\x00\x00\x00hel\x89\x81\x00\x00\x00\x00p\x80\x82\x00\x00\x00\x00lo")
	go func() { _, _ = r.Discard(3) }() // the pong
	var got []byte
	for _, b := range frame {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(-time.Second)))
		_, err := c.Read(make([]byte, 100))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, c.SetReadDeadline(time.Time{}))
		arrived := make(chan struct{})
		go func() { _, _ = theirs.Write([]byte{b}); close(arrived) }()
		read := make(chan int, 1)
		buf := make([]byte, 100)
		go func() { n, _ := c.Read(buf); read <- n }()
		<-arrived
		require.NoError(t, c.SetReadDeadline(time.Now().Add(-time.Second)))
		got = append(got, buf[:<-read]...)
	}
	require.Equal(t, "hello\n", string(got))
}

// FuzzUpgrade has no request panic, hang or upgrade without a key.
func FuzzUpgrade(f *testing.F) {
	f.Add([]byte(request + "\r\n"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte("\x16\x03\x01\x00\xa5\x01\x00"))
	f.Fuzz(func(t *testing.T, head []byte) {
		ours, theirs := net.Pipe()
		go func() {
			_, _ = theirs.Write(head)
			_ = theirs.Close()
		}()
		go func() {
			for buf := make([]byte, 4096); ; {
				if _, err := theirs.Read(buf); err != nil {
					return
				}
			}
		}()
		c, err := websocket.New(websocket.Options{}).Wrap(t.Context(), ours)
		if err == nil {
			_ = c.Close()
		}
		_ = ours.Close()
	})
}
