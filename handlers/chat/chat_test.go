package chat_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/handlers/chat"
)

func TestMain(m *testing.M) {
	framework.ServeWorker(chat.Constructor)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children would sleep a second each
	goleak.VerifyTestMain(m)
}

func serve(t *testing.T, network, options string) *framework.BaseServer {
	t.Helper()
	return frameworktest.Serve(t, frameworktest.NewServer(t, network, frameworktest.Class(t, chat.Constructor, options)))
}

// A client is one end of a conversation.
type client struct {
	net.Conn
	t     *testing.T
	rfile *bufio.Reader
}

func dial(t *testing.T, s *framework.BaseServer) *client {
	t.Helper()
	return newClient(t, frameworktest.Dial(t, s))
}

func newClient(t *testing.T, conn net.Conn) *client {
	return &client{conn, t, bufio.NewReader(conn)}
}

func (c *client) say(text string) {
	c.t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(c.t, err)
}

// hears requires that text comes next.
func (c *client) hears(text string) {
	c.t.Helper()
	got := make([]byte, len(text))
	n, err := io.ReadFull(c.rfile, got)
	require.NoError(c.t, err, "after %q, waiting for %q", got[:n], text)
	require.Equal(c.t, text, string(got))
}

// hearsEnd requires that nothing comes any more.
func (c *client) hearsEnd() {
	c.t.Helper()
	rest, err := io.ReadAll(c.rfile)
	require.NoError(c.t, err)
	require.Empty(c.t, string(rest))
}

// skips reads until text has come.
func (c *client) skips(text string) {
	c.t.Helper()
	_, err := c.read(text)
	require.NoError(c.t, err, "waiting for %q", text)
}

// until returns what comes until text has come.
func (c *client) until(text string) string {
	c.t.Helper()
	all, err := c.read(text)
	require.NoError(c.t, err, "waiting for %q", text)
	return all
}

// await is skips for another goroutine than the test's.
func (c *client) await(text string) error {
	_, err := c.read(text)
	return err
}

func (c *client) read(until string) (string, error) {
	var all []byte
	for !bytes.HasSuffix(all, []byte(until)) {
		b, err := c.rfile.ReadByte()
		if err != nil {
			return string(all), err
		}
		all = append(all, b)
	}
	return string(all), nil
}

// address is the name that the server gives a client without one.
func (c *client) address() string {
	at := c.LocalAddr().(*net.TCPAddr)
	if at.IP.To4() == nil {
		return fmt.Sprintf("('%s', %d, 0, 0)", at.IP, at.Port)
	}
	return fmt.Sprintf("('%s', %d)", at.IP, at.Port)
}

// reset ends the connection like a client that leaves data unread.
func (c *client) reset() {
	c.t.Helper()
	frameworktest.Reset(c.t, c.Conn)
}

func TestOptions(t *testing.T) {
	for options, problem := range map[string]string{
		`{"mode": "mob"}`: `option "mode": there is no mode "mob"; choose one of "room", "pairs", "half-duplex", "full-duplex"`,
		`{"mode": "mob", "history": 1, "commands": true, "bus": "nats://localhost", "operator": "x"}`: `option "mode": there is no mode "mob"; choose one of "room", "pairs", "half-duplex", "full-duplex"`,
		`{"slow": "ignore"}`:                   `option "slow": there is no "ignore"; choose one of "drop", "disconnect"`,
		`{"history": 1001}`:                    `option "history": is 1001; give a number from 0 to 1000`,
		`{"queue": 0}`:                         `option "queue": is 0; give a number from 1 to 100000`,
		`{"rate": -1}`:                         `option "rate": is -1; give a number from 0.01 to 1000000, or 0 for no limit`,
		`{"settings_timeout": "soon"}`:         `option "settings_timeout": "soon" is not a duration; write it as in "3s"`,
		`{"settings_timeout": "1s"}`:           `option "settings_timeout": is for mode = "pairs"; remove it, or change the mode`,
		`{"mode": "pairs", "commands": true}`:  `option "commands": is for mode = "room"; remove it, or change the mode`,
		`{"mode": "pairs", "greeting": false}`: `option "greeting": is for mode = "room"; remove it, or change the mode`,
		`{"mode": "pairs", "history": 1}`:      `option "history": is for mode = "room"; remove it, or change the mode`,
		`{"operator": "x"}`:                    `option "operator": is for mode = "full-duplex"; remove it, or change the mode`,
		`{"bus": "nats://localhost"}`:          `option "bus": this program has no bus; use the command socketserver, or the plugin chat`,
	} {
		_, err := chat.Constructor.Class([]byte(options))
		require.EqualError(t, err, problem)
		var refused *framework.OptionError
		require.ErrorAs(t, err, &refused)
	}
}

// A stop does not wait for clients.
func TestStopDisconnectsClients(t *testing.T) {
	for _, options := range []string{`{"history": 1}`, `{"mode": "pairs"}`} {
		s := serve(t, "tcp", options)
		c, d := dial(t, s), dial(t, s)
		c.say("name:a to:b\n")
		d.say("name:b to:a\n")
		if options != `{"mode": "pairs"}` {
			d.skips("name:a to:b\n")
		}
		began := time.Now()
		s.Stop()
		_, _ = io.Copy(io.Discard, c)
		_, _ = io.Copy(io.Discard, d)
		require.Less(t, time.Since(began), 10*time.Second)
	}
}
