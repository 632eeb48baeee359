package echo_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/handlers/echo"
)

func TestMain(m *testing.M) {
	framework.ServeWorker(echo.Constructor)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children would sleep a second each
	goleak.VerifyTestMain(m)
}

func TestChunk(t *testing.T) {
	for _, network := range frameworktest.Networks {
		t.Run(network, func(t *testing.T) {
			class := frameworktest.Class(t, echo.Constructor, "")
			s := frameworktest.Serve(t, frameworktest.NewServer(t, network, class))
			conn := frameworktest.Dial(t, s)
			for _, text := range []string{"Hello, world", "\x00\xff no text\r\n", "\n"} {
				require.Equal(t, text, frameworktest.Ask(t, conn, text))
			}
		})
	}
}

func TestForking(t *testing.T) {
	for _, options := range []string{`{}`, `{"framing": "line"}`} {
		s := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, echo.Constructor, options))
		s.Strategy = &framework.Forking{}
		frameworktest.Serve(t, s)
		conn := frameworktest.Dial(t, s)
		require.Equal(t, "Hello, world\n", frameworktest.Ask(t, conn, "Hello, world\n"))
	}
}

func TestLine(t *testing.T) {
	s := frameworktest.Serve(t, frameworktest.NewServer(t, "tcp", frameworktest.Class(t, echo.Constructor, `{"framing": "line"}`)))
	conn := frameworktest.Dial(t, s)
	_, err := io.WriteString(conn, "one, ")
	require.NoError(t, err)
	require.Equal(t, "one, two\r\n", frameworktest.Ask(t, conn, "two\r\n"), "nothing is sent before the line ends")
	_, err = io.WriteString(conn, "three\nthe rest")
	require.NoError(t, err)
	require.Equal(t, "three\nthe rest", frameworktest.End(t, conn))
}

func TestLineTooLong(t *testing.T) {
	s := frameworktest.Serve(t, frameworktest.NewServer(t, "tcp", frameworktest.Class(t, echo.Constructor, `{"framing": "line"}`)))
	conn := frameworktest.Dial(t, s)
	_, err := io.WriteString(conn, strings.Repeat("a", 8<<10+1))
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "line too long: send at most 8192 bytes before a newline\n", string(answer))
}

// A long datagram comes back whole: only connections have chunks.
func TestLongDatagram(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		s := frameworktest.Serve(t, frameworktest.NewServer(t, network, frameworktest.Class(t, echo.Constructor, "")))
		conn := frameworktest.Dial(t, s)
		sent := strings.Repeat("0123456789abcdef", 500)
		_, err := io.WriteString(conn, sent)
		require.NoError(t, err)
		answer := make([]byte, 16<<10)
		n, err := conn.Read(answer)
		require.NoError(t, err)
		require.Equal(t, sent, string(answer[:n]))
	}
}

// What is sent in bulk and without reading at first comes back whole.
func TestBulk(t *testing.T) {
	for _, framing := range []string{"chunk", "line"} {
		t.Run(framing, func(t *testing.T) {
			class := frameworktest.Class(t, echo.Constructor, `{"framing": "`+framing+`"}`)
			s := frameworktest.Serve(t, frameworktest.NewServer(t, "tcp", class))
			conn := frameworktest.Dial(t, s)
			data := bytes.Repeat([]byte("a line of some length\n"), 1<<18)
			random := rand.NewChaCha8([32]byte{})
			for i := 0; i < len(data); i += 1 << 10 {
				_, _ = random.Read(data[i : i+100])
			}
			sent := make(chan error, 1)
			go func() {
				_, err := conn.Write(data)
				sent <- err
			}()
			got := make([]byte, len(data))
			_, err := io.ReadFull(conn, got)
			require.NoError(t, err)
			require.NoError(t, <-sent)
			require.True(t, bytes.Equal(data, got))
			require.Empty(t, frameworktest.End(t, conn))
		})
	}
}

// Sixteen lines that arrive together are answered together.
func TestPipelined(t *testing.T) {
	for _, framing := range []string{"chunk", "line"} {
		s := frameworktest.NewServer(t, "unix", frameworktest.Class(t, echo.Constructor, `{"framing": "`+framing+`"}`))
		counting := &countingTransport{Transport: s.Transport}
		s.Transport = counting
		frameworktest.Serve(t, s)
		conn := frameworktest.Dial(t, s)
		lines := strings.Repeat("one of sixteen requests\n", 16)
		require.Equal(t, lines, frameworktest.Ask(t, conn, lines))
		require.EqualValues(t, 1, counting.writes.Load(), framing)
	}
}

// A client that leaves with its answer unread resets the connection; others go on.
func TestReset(t *testing.T) {
	s := frameworktest.Serve(t, frameworktest.NewServer(t, "tcp", frameworktest.Class(t, echo.Constructor, "")))
	for range 3 {
		conn := frameworktest.Dial(t, s)
		_, err := io.WriteString(conn, "Hello, world")
		require.NoError(t, err)
		frameworktest.Reset(t, conn)
	}
	require.Equal(t, "still there", frameworktest.Ask(t, frameworktest.Dial(t, s), "still there"))
}

func TestUnknownFraming(t *testing.T) {
	_, err := echo.Constructor.Class([]byte(`{"framing": "auto"}`))
	require.EqualError(t, err, `option "framing": there is no framing "auto" here; choose one of "chunk", "line"`)
}

// countingTransport counts what is written to its connections.
type countingTransport struct {
	framework.Transport
	writes atomic.Int64
}

func (c *countingTransport) GetRequest() (*framework.Request, error) {
	r, err := c.Transport.GetRequest()
	if err != nil {
		return nil, err
	}
	return framework.NewStreamRequest("unix", countingConn{r.Conn(), &c.writes}), nil
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}
