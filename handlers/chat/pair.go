package chat

import (
	"bufio"
	"errors"
	"io"
	"sync"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/hub"
)

// What a client of a pair is told, as it always was: without a newline.
const (
	refused    = "对方正在聊天,您的请求拒绝连接" // the other one is talking
	waiting    = "请等待对方上线"         // the other one is not here
	inputError = "您的输入有误"          // this can not be understood
)

// pairs are the clients of a class that talk two by two. Two that have named each other
// are a pair for as long as one of them stays, so that the other one may come back.
type pairs struct {
	options *Options

	mu   sync.Mutex
	ends map[string]*end // by name
}

// An end is a client that has said who it is and with whom it wants to talk.
type end struct {
	*hub.Member
	settings
	met bool // it has been connected with its partner
}

// enter takes e in, or returns what it is to be told instead.
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
		if other.met && !mutual {
			return refused
		}
		other.met, e.met = mutual, mutual
	}
	p.ends[e.name] = e
	return ""
}

// leave frees the name and tells the partner, who keeps its place.
func (p *pairs) leave(e *end) {
	p.mu.Lock()
	delete(p.ends, e.name)
	other := p.partner(e)
	p.mu.Unlock()
	if other != nil {
		other.Send([]byte(waiting))
	}
}

// partner is who e talks with; nil: nobody. p.mu is held.
func (p *pairs) partner(e *end) *end {
	if other := p.ends[e.to]; other != nil && other.to == e.name {
		return other
	}
	return nil
}

// say sends a message to e's partner. Where there is none it is lost, and e is told.
func (p *pairs) say(e *end, message []byte) {
	p.mu.Lock()
	other := p.partner(e)
	p.mu.Unlock()
	if other == nil {
		e.Send([]byte(waiting))
		return
	}
	other.Send(message)
}

type pairHandler struct {
	framework.StreamRequestHandler
	pairs *pairs
}

func (h *pairHandler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	m, stop := newMember(h.Request, wfile, h.pairs.options)
	defer m.Close()
	defer stop()
	in := newInput(m, h.Request, rfile, h.pairs.options)
	s, err := in.settings(rfile, h.pairs.options)
	if errors.Is(err, errSettings) {
		m.Send([]byte(inputError))
		return nil
	}
	if err != nil {
		return err
	}
	e := &end{Member: m, settings: s}
	if refusal := h.pairs.enter(e); refusal != "" {
		m.Send([]byte(refusal))
		return nil
	}
	defer h.pairs.leave(e)
	h.Log().Debug("has said who it is", "name", e.name, "to", e.to)
	for {
		message, err := in.next()
		if err == nil {
			err = in.pace()
		}
		if err != nil {
			return err
		}
		h.pairs.say(e, message)
	}
}
