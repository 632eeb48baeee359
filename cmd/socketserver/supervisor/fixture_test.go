package supervisor_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/handlers"
)

// compiledIn is a catalog of the handlers that are compiled in. closed counts classes.
type compiledIn struct {
	made, closed int
	mu           sync.Mutex
	running      func(*config.Server) *framework.HandlerClass // nil: none is running
}

func (*compiledIn) Prepare(*config.Config) {}
func (*compiledIn) Names(string) []string  { return nil }

func (c *compiledIn) Class(s *config.Server) (*framework.HandlerClass, error) {
	if c.running != nil {
		if class := c.running(s); class != nil {
			return class, nil
		}
	}
	h, ok := handlers.Lookup(s.Handler.Name)
	if !ok {
		return nil, fmt.Errorf("there is no handler %q", s.Handler.Name)
	}
	class, err := h.Class(s.Handler.Options)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	closeClass := class.Close
	class.Close = func() error {
		c.mu.Lock()
		c.closed++
		c.mu.Unlock()
		if closeClass == nil {
			return nil
		}
		return closeClass()
	}
	return class, nil
}

// open returns how many classes are not closed.
func (c *compiledIn) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made - c.closed
}

// A running supervisor under test.
type running struct {
	*supervisor.Supervisor
	catalog compiledIn
	log     *log
	end     func() // stops it and waits
}

// start returns a supervisor that runs text, and is stopped with the test.
func start(t *testing.T, text string) *running {
	t.Helper()
	s := &running{log: newLog()}
	options := &hclog.LoggerOptions{Output: s.log, Level: hclog.Info}
	s.Supervisor = supervisor.New(supervisor.Options{Log: hclog.New(options)})
	s.catalog.running = s.Class
	s.apply(t, text)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	s.end = func() {
		stop()
		frameworktest.Await(t, ended, "the supervisor does not stop")
	}
	t.Cleanup(func() {
		s.end()
		require.Zero(t, s.catalog.open(), "handler classes were not closed")
		if t.Failed() {
			t.Log(s.log)
		}
	})
	return s
}

func (s *running) parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("servers.hcl", []byte(text), &s.catalog)
	require.NoError(t, err)
	return c
}

func (s *running) apply(t *testing.T, text string) supervisor.Plan {
	t.Helper()
	p, err := s.Apply(t.Context(), s.parse(t, text))
	require.NoError(t, err)
	return p
}

// status returns that of the current instance of a server.
func (s *running) status(t *testing.T, name string) supervisor.Status {
	t.Helper()
	for _, status := range s.Status() {
		if status.Name == name {
			return status
		}
	}
	require.FailNow(t, "there is no server "+name)
	return supervisor.Status{}
}

func dial(t *testing.T, l supervisor.Listener) net.Conn {
	t.Helper()
	return frameworktest.DialAddress(t, l.Network, l.Address)
}

// server is a block with the handler timestamp, which answers with prefix and what it was sent.
func server(name, transports, concurrency, prefix, more string) string {
	return fmt.Sprintf(`
server %q {
  %s
  concurrency %s
  handler "timestamp" {
    framing = "chunk"
    format  = "%s{data}"
  }
  timeouts { drain = "10m" }
  %s
}
`, name, transports, concurrency, prefix, more)
}

const anyPort = `transport "tcp" { address = "127.0.0.1:0" }`

// A log keeps what was logged. A test can wait for a line.
type log struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // closed when there is another line
}

func newLog() *log { return &log{more: make(chan struct{})} }

var _ io.Writer = (*log)(nil)

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.more)
	l.more = make(chan struct{})
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until text has been logged n times.
func (l *log) await(t *testing.T, text string, n int) {
	t.Helper()
	for {
		l.mu.Lock()
		found, more := strings.Count(l.text.String(), text), l.more
		l.mu.Unlock()
		if found >= n {
			return
		}
		frameworktest.Await(t, more, "it was not logged: "+text)
	}
}
