package supervisor

import (
	"reflect"
	"sync/atomic"

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
}

// newClass takes over c for one instance.
func newClass(c *framework.HandlerClass) *class {
	own := &class{HandlerClass: c, close: c.Close}
	own.users.Store(1)
	c.Close = nil
	return own
}

// inherit replaces the class of i by that of old, which may be nil, if both have the same
// handler. A plugin knows the timeouts of its server, too.
func (i *Instance) inherit(old *Instance) {
	if old != nil && sameHandler(old.config, i.config) && old.class.acquire() {
		i.class.release(i.log)
		i.class = old.class
	}
}

func sameHandler(a, b *config.Server) bool {
	return reflect.DeepEqual(a.Handler, b.Handler) && (a.Handler.Kind == "handler" || a.Timeouts == b.Timeouts)
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
