package sink_test

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/handlers/sink"
)

func TestMain(m *testing.M) {
	framework.ServeWorker(sink.Constructor)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children would sleep a second each
	goleak.VerifyTestMain(m)
}

// events receives the events of a log.
type events chan map[string]any

func (e events) Write(line []byte) (int, error) {
	var event map[string]any
	if err := json.Unmarshal(line, &event); err != nil {
		return 0, err
	}
	e <- event
	return len(line), nil
}

func (e events) next(t *testing.T, message string) map[string]any {
	t.Helper()
	for {
		select {
		case event := <-e:
			if event["@message"] == message {
				return event
			}
		case <-time.After(20 * time.Second):
			require.Fail(t, "nothing is logged", message)
		}
	}
}

func newServer(t *testing.T, network string) (*framework.BaseServer, events) {
	t.Helper()
	logged := make(events, 1000)
	s := frameworktest.NewServer(t, network, frameworktest.Class(t, sink.Constructor, ""))
	s.Log = hclog.New(&hclog.LoggerOptions{Output: logged, JSONFormat: true})
	return s, logged
}

func TestMessagesAreLogged(t *testing.T) {
	for _, network := range frameworktest.Networks {
		t.Run(network, func(t *testing.T) {
			s, logged := newServer(t, network)
			conn := frameworktest.Dial(t, frameworktest.Serve(t, s))
			for _, text := range []string{"hello,this is a test info !", "a\r\n\x1b[2J", strings.Repeat("x", 1024)} {
				_, err := io.WriteString(conn, text)
				require.NoError(t, err)
				event := logged.next(t, "received")
				require.Equal(t, text, event["data"])
				require.EqualValues(t, len(text), event["length"])
				require.Equal(t, conn.LocalAddr().String(), strings.Replace(event["client"].(string), "@", conn.LocalAddr().String(), 1))
			}
		})
	}
}

func TestForkedChildrenLog(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		s, logged := newServer(t, network)
		s.Strategy = &framework.Forking{}
		conn := frameworktest.Dial(t, frameworktest.Serve(t, s))
		_, err := io.WriteString(conn, "hello")
		require.NoError(t, err)
		require.Equal(t, "hello", logged.next(t, "received")["data"])
		require.NoError(t, conn.Close())
	}
}

// A long datagram is cut in the log; its length is not.
func TestLongDatagramIsCut(t *testing.T) {
	s, logged := newServer(t, "udp")
	conn := frameworktest.Dial(t, frameworktest.Serve(t, s))
	_, err := io.WriteString(conn, strings.Repeat("x", 8000))
	require.NoError(t, err)
	event := logged.next(t, "received")
	require.Len(t, event["data"], 1024)
	require.EqualValues(t, 8000, event["length"])
}

// Nothing is sent back, not even an empty datagram.
func TestNeverAnswers(t *testing.T) {
	for _, network := range frameworktest.Networks {
		s, logged := newServer(t, network)
		conn := frameworktest.Dial(t, frameworktest.Serve(t, s))
		_, err := io.WriteString(conn, "hello")
		require.NoError(t, err)
		logged.next(t, "received")
		require.NoError(t, s.Close()) // an answer would have been sent
		require.NoError(t, conn.SetReadDeadline(time.Now()))
		n, err := conn.Read(make([]byte, 16))
		require.Zero(t, n)
		require.Error(t, err)
	}
}

// Messages beyond the rate are counted, to the last byte.
func TestFloodIsCounted(t *testing.T) {
	s, logged := newServer(t, "unix")
	conn := frameworktest.Dial(t, frameworktest.Serve(t, s))
	const flood = 256 << 10
	_, err := conn.Write(make([]byte, flood))
	require.NoError(t, err)
	require.Empty(t, frameworktest.End(t, conn))
	require.NoError(t, s.Close())
	close(logged)
	lines, length := 0, 0.0
	for event := range logged {
		switch event["@message"] {
		case "received":
			lines++
			length += event["length"].(float64)
		case "received more than is shown":
			length += event["bytes"].(float64)
		}
	}
	require.EqualValues(t, flood, length)
	require.Less(t, lines, 100)
}
