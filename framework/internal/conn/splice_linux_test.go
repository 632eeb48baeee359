package conn

import (
	"bytes"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pipes is the number of descriptors of pipes that this process has open.
func pipes(t *testing.T) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, e := range entries {
		if target, _ := os.Readlink("/proc/self/fd/" + e.Name()); strings.HasPrefix(target, "pipe:") {
			n++
		}
	}
	return n
}

// echoBulk has a client send much and read it back.
func echoBulk(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	server, err := l.Accept()
	require.NoError(t, err)
	defer server.Close()
	copied := make(chan error, 1)
	go func() {
		rfile, wfile := NewStream(server, &Timeouts{Write: time.Minute}, 4096, 0, 0, 0).Open()
		_, err := io.Copy(wfile, rfile)
		_ = server.Close()
		copied <- err
	}()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	go func() {
		_, _ = client.Write(sent)
		_ = client.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(client)
	require.NoError(t, err)
	require.NoError(t, <-copied)
	require.True(t, bytes.Equal(sent, got))
}

// A connection takes the descriptors of a pipe only while fewer than the maximum do, and is copied
// all the same.
func TestSplicesAreBounded(t *testing.T) {
	runtime.GC() // package net keeps pipes for two cycles
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range maxSplices {
		require.True(t, splices.Try(maxSplices))
	}
	before := pipes(t)
	echoBulk(t)
	require.Equal(t, before, pipes(t))
	for range maxSplices {
		splices.Release()
	}
	echoBulk(t)
	require.Greater(t, pipes(t), before)
	require.True(t, splices.Try(1), "each has given its slot back")
	splices.Release()
}
