// Package pairs is the mode of chat in which clients talk two by two.
package pairs

import (
	"bufio"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers/chat/client"
)

// Notices to clients, which end without a newline as they always have.
const (
	refused    = "对方正在聊天,您的请求拒绝连接" // the partner is in another pair, or the name is taken
	waiting    = "请等待对方上线"         // the partner is absent
	inputError = "您的输入有误"          // these are no settings
)

// Options are those of a server.
type Options struct {
	client.Options
	SettingsTimeout time.Duration // 0: none
}

// Class makes the handler class.
func Class(o *Options) *framework.HandlerClass {
	p := &pairs{options: o, ends: map[string]*end{}}
	return &framework.HandlerClass{
		New:      func() framework.Handler { return &handler{pairs: p} },
		Stateful: "the pairs of its clients", Quiet: true,
	}
}

// pairs are the clients of a class, by name. Two that have named each other are a pair until
// both have left, so that either may come back.
type pairs struct {
	options *Options

	mu   sync.Mutex
	ends map[string]*end
}

// An end is one client of a pair.
type end struct {
	*client.Client
	settings
	paired bool // with a partner that was present
}

// enter adds e, or returns the notice with which it is refused.
func (p *pairs) enter(e *end) (refusal string) {
	if e.name == e.to {
		return inputError
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ends[e.name] != nil {
		return refused
	}
	if other := p.ends[e.to]; other != nil {
		mutual := other.to == e.name
		if other.paired && !mutual {
			return refused
		}
		other.paired, e.paired = mutual, mutual
	}
	p.ends[e.name] = e
	return ""
}

// leave frees the name of e and notifies its partner, whose place is kept.
func (p *pairs) leave(e *end) {
	p.mu.Lock()
	delete(p.ends, e.name)
	other := p.partner(e)
	p.mu.Unlock()
	if other != nil {
		other.Send([]byte(waiting))
	}
}

// partner returns the partner of e, or nil. p.mu is held.
func (p *pairs) partner(e *end) *end {
	if other := p.ends[e.to]; other != nil && other.to == e.name {
		return other
	}
	return nil
}

// relay sends a message to the partner of e. If it is absent the message is dropped and e is
// notified.
func (p *pairs) relay(e *end, message []byte) {
	p.mu.Lock()
	other := p.partner(e)
	p.mu.Unlock()
	if other == nil {
		e.Send([]byte(waiting))
		return
	}
	other.Send(message)
}

type handler struct {
	framework.StreamRequestHandler
	pairs *pairs
}

func (h *handler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	p := h.pairs
	c := client.New(h.Request, rfile, wfile, &p.options.Options)
	defer c.Close()
	s, err := readSettings(c, rfile, p.options.SettingsTimeout)
	if errors.Is(err, errSettings) {
		c.Send([]byte(inputError))
		return nil
	}
	if err != nil {
		return err
	}
	e := &end{Client: c, settings: s}
	if refusal := p.enter(e); refusal != "" {
		c.Send([]byte(refusal))
		return nil
	}
	defer p.leave(e)
	h.Log().Debug("client named", "name", e.name, "to", e.to)
	for {
		message, err := c.NextPaced()
		if err != nil {
			return err
		}
		p.relay(e, message)
	}
}
