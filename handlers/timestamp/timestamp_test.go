package timestamp_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/handlers/timestamp"
)

func TestMain(m *testing.M) {
	framework.ServeWorker(timestamp.Constructor)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children would sleep a second each
	goleak.VerifyTestMain(m)
}

// The options that make the handler the servers it comes from.
const (
	keepOpen   = `{"framing": "chunk"}`
	oneRequest = `{"framing": "line", "requests": 1}`
	hi         = `{"framing": "chunk", "format": "Hi,you send me :[{time}] {data}"}`
	quitting   = `{"framing": "chunk", "format": "{client_ip}发送给我的信息是:{data}", "quit": "connection"}`
)

func serve(t *testing.T, network, options string) *framework.BaseServer {
	t.Helper()
	return frameworktest.Serve(t, frameworktest.NewServer(t, network, frameworktest.Class(t, timestamp.Constructor, options)))
}

// requireStamped checks that answer is before, the time of now, and after.
func requireStamped(t *testing.T, before, after, answer string) {
	t.Helper()
	rest, ok := strings.CutPrefix(answer, before)
	require.True(t, ok, answer)
	require.Greater(t, len(rest), len(time.ANSIC), answer)
	stamp, err := time.ParseInLocation(time.ANSIC, rest[:len(time.ANSIC)], time.Local)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), stamp, time.Minute)
	require.Equal(t, after, rest[len(time.ANSIC):])
}

// As tsTserv: a client that stays, sends without a newline and reads once.
func TestChunks(t *testing.T) {
	for _, network := range frameworktest.Networks {
		t.Run(network, func(t *testing.T) {
			conn := frameworktest.Dial(t, serve(t, network, keepOpen))
			for _, text := range []string{"hello", "\x00\xff\xfe", "with its newline\r\n", "你好"} {
				requireStamped(t, "[", "] "+text, frameworktest.Ask(t, conn, text))
			}
		})
	}
}

// As tsTservSS: one line for every connection, its ending included.
func TestOneLine(t *testing.T) {
	for _, strategy := range []framework.Strategy{&framework.Synchronous{}, &framework.Threading{}, &framework.Forking{}} {
		s := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, timestamp.Constructor, oneRequest))
		s.Strategy = strategy
		frameworktest.Serve(t, s)
		for _, sent := range []string{"hello\r\n", "hello\n", "\n", "hello\nmore\n"} {
			conn := frameworktest.Dial(t, s)
			_, err := io.WriteString(conn, sent)
			require.NoError(t, err)
			answer, err := io.ReadAll(conn)
			require.NoError(t, err)
			line, _, _ := strings.Cut(sent, "\n")
			requireStamped(t, "[", "] "+line+"\n", string(answer))
		}
	}
}

// At the end of what the client sends, a rest without newline is answered, an empty one is not.
func TestEndBeforeNewline(t *testing.T) {
	s := serve(t, "tcp", oneRequest)
	conn := frameworktest.Dial(t, s)
	_, err := io.WriteString(conn, "hello")
	require.NoError(t, err)
	requireStamped(t, "[", "] hello", frameworktest.End(t, conn))
	require.Empty(t, frameworktest.End(t, frameworktest.Dial(t, s)))
}

func TestRequests(t *testing.T) {
	conn := frameworktest.Dial(t, serve(t, "tcp", `{"requests": 2, "format": "{data}"}`))
	_, err := io.WriteString(conn, "one\ntwo\nthree\n")
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "one\ntwo\n", string(answer))
}

func TestHi(t *testing.T) {
	conn := frameworktest.Dial(t, serve(t, "tcp", hi))
	requireStamped(t, "Hi,you send me :[", "] hello", frameworktest.Ask(t, conn, "hello"))
	requireStamped(t, "Hi,you send me :[", "] again", frameworktest.Ask(t, conn, "again"))
}

func TestClientAddress(t *testing.T) {
	conn := frameworktest.Dial(t, serve(t, "tcp", `{"framing": "chunk", "format": "{{{client}}} {client_ip}"}`))
	require.Equal(t, "{"+conn.LocalAddr().String()+"} 127.0.0.1", frameworktest.Ask(t, conn, "x"))
	conn = frameworktest.Dial(t, serve(t, "unixgram", `{"format": "{client} {client_ip}"}`))
	path := conn.LocalAddr().String()
	require.Equal(t, path+" "+path+"\n", frameworktest.Ask(t, conn, "x\n"))
}

func TestLayout(t *testing.T) {
	conn := frameworktest.Dial(t, serve(t, "tcp", `{"framing": "chunk", "layout": "2006", "format": "{time}"}`))
	require.Contains(t, []string{time.Now().Format("2006"), time.Now().Add(-time.Minute).Format("2006")}, frameworktest.Ask(t, conn, "x"))
}

func TestQuitEndsTheConnection(t *testing.T) {
	s := serve(t, "tcp", quitting)
	for _, word := range []string{"quit", "QUIT", "Quit\n", "quit\r\n"} {
		conn := frameworktest.Dial(t, s)
		require.Equal(t, "127.0.0.1发送给我的信息是:hello quit", frameworktest.Ask(t, conn, "hello quit"))
		require.Equal(t, "127.0.0.1发送给我的信息是:"+word, frameworktest.Ask(t, conn, word))
		rest, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Empty(t, rest)
	}
}

func TestQuitOff(t *testing.T) {
	conn := frameworktest.Dial(t, serve(t, "tcp", `{"framing": "chunk", "format": "{data}"}`))
	require.Equal(t, "quit", frameworktest.Ask(t, conn, "quit"))
	require.Equal(t, "still there", frameworktest.Ask(t, conn, "still there"))
}

// The client has its answer, then the whole server ends.
func TestQuitEndsTheServer(t *testing.T) {
	for name, strategy := range map[string]framework.Strategy{"threading": &framework.Threading{}, "forking": &framework.Forking{}} {
		for _, network := range []string{"tcp", "udp"} {
			t.Run(name+" "+network, func(t *testing.T) {
				s := frameworktest.NewServer(t, network, frameworktest.Class(t, timestamp.Constructor, `{"framing": "chunk", "format": "{data}", "quit": "server"}`))
				s.Strategy = strategy
				require.NoError(t, s.Listen())
				served := make(chan error, 1)
				go func() { served <- s.ServeForever() }()
				require.Equal(t, "QUIT", frameworktest.Ask(t, frameworktest.Dial(t, s), "QUIT"))
				require.ErrorIs(t, <-served, framework.ErrServerClosed)
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				require.NoError(t, s.Shutdown(ctx))
			})
		}
	}
}

// A client that says quit leaves without reading the answer, so it resets the connection.
func TestReset(t *testing.T) {
	s := serve(t, "tcp", quitting)
	for range 3 {
		conn := frameworktest.Dial(t, s)
		_, err := io.WriteString(conn, "quit")
		require.NoError(t, err)
		frameworktest.Reset(t, conn)
	}
	require.Equal(t, "127.0.0.1发送给我的信息是:hello", frameworktest.Ask(t, frameworktest.Dial(t, s), "hello"))
}

func TestLineTooLong(t *testing.T) {
	conn := frameworktest.Dial(t, serve(t, "tcp", `{}`))
	_, err := io.WriteString(conn, strings.Repeat("a", 8<<10+1))
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "line too long: send at most 8192 bytes before a newline\n", string(answer))
}

func TestOptions(t *testing.T) {
	for options, problem := range map[string]string{
		`{"framing": "auto"}`:      `option "framing": there is no framing "auto" here; choose one of "line", "chunk"`,
		`{"requests": -1}`:         `option "requests": is -1; give how many messages are answered, or 0 for no limit`,
		`{"layout": ""}`:           `option "layout": is empty; give a layout of Go, such as "Mon Jan _2 15:04:05 2006"`,
		`{"quit": "now"}`:          `option "quit": there is no quit "now"; choose one of "off", "connection", "server"`,
		`{"format": ""}`:           `option "format": is empty, and clients wait for an answer; the default is "[{time}] {data}"`,
		`{"format": "{date}"}`:     `option "format": there is no {date}; there are {time}, {data}, {client}, {client_ip} and {client_cert}`,
		`{"format": "at {time"}`:   `option "format": a { without its }; write {{ for the character itself`,
		`{"format": "at } {time"}`: `option "format": a } without its {; write }} for the character itself`,
	} {
		_, err := timestamp.Constructor.Class([]byte(options))
		require.EqualError(t, err, problem)
		var refused *framework.OptionError
		require.ErrorAs(t, err, &refused)
	}
}

func TestFormat(t *testing.T) {
	for format, answer := range map[string]string{
		"plain":                   "plain",
		"{data}":                  "x",
		"{{{data}}}":              "{x}",
		"{{data}}":                "{data}",
		"{data}{data} [{client}]": "xx []",
		"<{client_ip}>":           "<>",
		"}}{{":                    "}{",
	} {
		options, err := json.Marshal(map[string]string{"framing": "chunk", "format": format})
		require.NoError(t, err)
		conn := frameworktest.Dial(t, serve(t, "unix", string(options)))
		require.Equal(t, answer, frameworktest.Ask(t, conn, "x"), format)
	}
}

func FuzzFormat(f *testing.F) {
	for _, s := range []string{"[{time}] {data}", "{{", "}", "{", "{}", "{{{data}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		options, err := json.Marshal(map[string]string{"format": s})
		require.NoError(t, err)
		if _, err := timestamp.Constructor.Class(options); err != nil {
			var refused *framework.OptionError
			require.ErrorAs(t, err, &refused)
		}
	})
}
