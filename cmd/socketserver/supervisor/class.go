package supervisor

import (
	"reflect"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
)

// A class is a handler class and the number of instances that use it. An instance keeps the
// class of the one that it replaces, and with it what the class holds in memory, where that
// has the same handler.
//
// The last instance closes it. The framework would do so once the last request is over, which
// may be never.
type class struct {
	*framework.HandlerClass
	close func() error // may be nil
	users atomic.Int32
}

func newClass(c *framework.HandlerClass) *class {
	own := &class{HandlerClass: c, close: c.Close}
	own.users.Store(1)
	c.Close = nil
	return own
}

// inherit replaces the class of i by that of old if both servers have the same handler. A
// plugin knows the timeouts of its server, too.
func (i *Instance) inherit(old *Instance) {
	if old == nil || !sameHandler(old.config, i.config) {
		return
	}
	i.class.release(i.log)
	old.class.users.Add(1)
	i.class = old.class
}

func sameHandler(a, b *config.Server) bool {
	return reflect.DeepEqual(a.Handler, b.Handler) && (a.Handler.Kind == "handler" || a.Timeouts == b.Timeouts)
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
