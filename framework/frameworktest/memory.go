package frameworktest

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

// Run runs one handler of class without a socket: rfile reads input and then [io.EOF]. It
// returns what the handler wrote to wfile and the error that a server would report. The
// client's address is 192.0.2.1:1. A class that does not serve tcp reads input as a datagram.
func Run(t testing.TB, class *framework.HandlerClass, input string) (output string, err error) {
	t.Helper()
	m := &memory{input: strings.NewReader(input)}
	m.Conn, _ = net.Pipe()
	if networks := class.Serves(); slices.Contains(networks, "tcp") {
		m.request = framework.NewStreamRequest("tcp", m)
	} else {
		answer := func(data []byte) error { _, err := m.Write(data); return err }
		m.request = framework.NewDatagramRequest(networks[0], []byte(input), client, client, answer)
	}
	failed := func(_ *framework.Request, e error) { err = e }
	s := &framework.BaseServer{Transport: m, Class: class, Log: hclog.NewNullLogger(), HandleError: failed}
	t.Cleanup(func() { Shutdown(t, s) })  // closes the class
	require.NoError(t, s.HandleRequest()) // runs the handler to its end, as s is synchronous
	return m.output.String(), err
}

var client = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}

// memory is a transport with one request, and the connection of that request.
type memory struct {
	net.Conn // one end of a pipe, which can be closed and has deadlines
	request  *framework.Request
	input    *strings.Reader
	output   bytes.Buffer
}

func (m *memory) Network() string                         { return m.request.Network }
func (m *memory) Open() error                             { return nil }
func (m *memory) Addr() net.Addr                          { return client }
func (m *memory) LocalAddr() net.Addr                     { return client }
func (m *memory) RemoteAddr() net.Addr                    { return client }
func (m *memory) Read(p []byte) (int, error)              { return m.input.Read(p) }
func (m *memory) Write(p []byte) (int, error)             { return m.output.Write(p) }
func (m *memory) GetRequest() (*framework.Request, error) { return m.request, nil }

// A Log collects what is written to it, and a test can wait for that. [NewLog] makes one.
type Log struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{} // closed at the next write
}

func NewLog() *Log { return &Log{wrote: make(chan struct{})} }

// Logger writes to l, from debug on and without times.
func (l *Log) Logger() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Output: l, Level: hclog.Debug, DisableTime: true})
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.wrote)
	l.wrote = make(chan struct{})
	return l.text.Write(p)
}

func (l *Log) read() (text string, wrote <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String(), l.wrote
}

func (l *Log) String() string        { text, _ := l.read(); return text }
func (l *Log) Count(part string) int { return strings.Count(l.String(), part) }

// Await waits until part has been written, AwaitCount until n times. Both return the log.
func (l *Log) Await(t testing.TB, part string) string { t.Helper(); return l.AwaitCount(t, 1, part) }

func (l *Log) AwaitCount(t testing.TB, n int, part string) string {
	t.Helper()
	for {
		text, wrote := l.read()
		if strings.Count(text, part) >= n {
			return text
		}
		Await(t, wrote, "%q was not written %d times, but\n%s", part, n, text)
	}
}
