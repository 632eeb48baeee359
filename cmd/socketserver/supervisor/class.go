package supervisor

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
)

// A class is a handler class and the number of instances that use it. An instance that replaces
// another one with the same handler keeps its class, and so what that holds in memory.
//
// The last instance to end closes the class. The framework would close it after the last
// request, which may never end.
type class struct {
	*framework.HandlerClass
	close func() error // may be nil
	users atomic.Int32
	since time.Time // when it was made

	served  atomic.Int64  // requests that have begun, as far as is known since its process was started
	most    atomic.Int64  // that wake the instance's recycle; 0: there are none
	reached chan struct{} // has one when that many have begun

	mu      sync.Mutex
	counted int64 // restarts of its process that the server's counters have
	ended   int64 // restarts of its process that served knows of
}

// countRestarts adds the restarts of the plugin's process to the counters of its server.
func (c *class) countRestarts(to *Counters) {
	plugin, ok := c.Executor.(keptProcess)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := plugin.Restarts()
	to.restarts.Add(n - c.counted)
	c.counted = n
}

// process returns when the process was started that serves. Requests of one before it do not count any more.
func (c *class) process() time.Time {
	plugin, ok := c.Executor.(keptProcess)
	if !ok {
		return c.since
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := plugin.Restarts(); n != c.ended {
		c.ended = n
		c.served.Store(0)
	}
	if pid, began := plugin.Process(); pid != 0 {
		return began
	}
	return time.Now() // it is about to be started
}

// serve counts a request that begins.
func (c *class) serve() {
	if c.served.Add(1) == c.most.Load() {
		select {
		case c.reached <- struct{}{}:
		default:
		}
	}
}

// newClass takes over c for one instance.
func newClass(c *framework.HandlerClass) *class {
	own := &class{HandlerClass: c, close: c.Close, since: time.Now(), reached: make(chan struct{}, 1)}
	own.users.Store(1)
	c.Close = nil
	return own
}

// Class returns the class of the server that runs under the name of server, if it has the same
// handler; nil: it has not, or none runs. A catalog that returns it has the class outlive a reload.
func (s *Supervisor) Class(server *config.Server) *framework.HandlerClass {
	for _, i := range s.running() {
		if i.name == server.Name && sameHandler(i.configuration(), server) {
			return i.class.HandlerClass
		}
	}
	return nil
}

// sameHandler compares what a class is made of. A plugin knows some of its server, too.
func sameHandler(a, b *config.Server) bool {
	return reflect.DeepEqual(a.Handler, b.Handler) &&
		(a.Handler.Kind == "handler" || a.Timeouts == b.Timeouts && a.Limits.Line == b.Limits.Line && reflect.DeepEqual(a.Process, b.Process))
}

// ErrStopped is wrapped where a server has stopped between Class and Apply. Load the
// configuration again.
var ErrStopped = errors.New("it has stopped meanwhile")

// class returns the class of server with one more user, who is the new instance.
func (s *Supervisor) class(server *config.Server) (*class, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.instances { // those that have ended, too
		if i.class.HandlerClass != server.Class {
			continue
		}
		if !i.class.acquire() {
			return nil, fmt.Errorf("server %q: %w", server.Name, ErrStopped)
		}
		return i.class, nil
	}
	return newClass(server.Class), nil
}

// acquire adds a user, unless the last one has closed the class.
func (c *class) acquire() bool {
	for {
		n := c.users.Load()
		if n == 0 || c.users.CompareAndSwap(n, n+1) {
			return n > 0
		}
	}
}

// release closes the class after its last instance.
func (c *class) release(log hclog.Logger) {
	if c.users.Add(-1) > 0 || c.close == nil {
		return
	}
	if err := c.close(); err != nil {
		log.Error("could not close the handler", "error", err)
	}
}
