package distributed

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer"
)

// counted counts the writes of a connection. Those that are longer than most are cut off there, and fail.
type counted struct {
	net.Conn
	writes, most int
}

var errCutOff = errors.New("cut off")

func (c *counted) Write(p []byte) (int, error) {
	c.writes++
	if c.most > 0 && len(p) > c.most {
		n, _ := c.Conn.Write(p[:c.most])
		return n, errCutOff
	}
	return c.Conn.Write(p)
}

// securedPair returns two ends, and the connection under the first.
func securedPair(t *testing.T) (one, other *secured, under *counted) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	id, err := newIdentity()
	require.NoError(t, err)
	config := id.config(func(string) bool { return true })
	under = &counted{Conn: frameworktest.DialAddress(t, "tcp", l.Addr().String())}
	accepted, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = accepted.Close() })
	tcp := under.Conn.(*net.TCPConn)
	one = secure(tcp, config, layer.ClientConn)
	one.records.Conn = under
	other = secure(accepted.(*net.TCPConn), config, layer.ServerConn)
	shaken := make(chan error, 1)
	go func() { shaken <- other.Handshake() }()
	require.NoError(t, one.Handshake())
	require.NoError(t, frameworktest.Await(t, shaken))
	return one, other, under
}

// The records of a write are sent by one system call, and a read does not wait for more of them than there are.
func TestRecordsOfOneWrite(t *testing.T) {
	one, other, under := securedPair(t)
	sent := bytes.Repeat([]byte("0123456789"), 3*maxRecord/10)
	for _, p := range [][]byte{sent, sent[:1]} {
		before := under.writes
		n, err := one.Write(p)
		require.NoError(t, err)
		require.Equal(t, len(p), n)
		require.Equal(t, before+1, under.writes)
	}
	got := make([]byte, len(sent)+1)
	_, err := io.ReadFull(other, got)
	require.NoError(t, err)
	require.Equal(t, append(sent, '0'), got)

	_, err = one.Write(sent[:maxRecord])
	require.NoError(t, err)
	n, err := other.Read(make([]byte, 2*maxRecord)) // waits for no other record
	require.NoError(t, err)
	require.Equal(t, maxRecord, n)
	require.NoError(t, one.CloseWrite())
	_, err = other.Read(got)
	require.ErrorIs(t, err, io.EOF)
}

// Where records were sent in part nothing follows, which the other side would take for the rest of them.
func TestRecordsCutOff(t *testing.T) {
	one, other, under := securedPair(t)
	under.most = maxRecord
	_, err := one.Write(make([]byte, 2*maxRecord))
	require.ErrorIs(t, err, errCutOff)
	writes := under.writes
	_, err = one.Write([]byte("more"))
	require.ErrorIs(t, err, errCutOff)
	require.Equal(t, writes, under.writes)
	require.NoError(t, one.tcp.CloseWrite())
	got, err := io.ReadAll(other)
	require.ErrorIs(t, err, layer.ErrTruncated)
	require.Empty(t, got)
}
