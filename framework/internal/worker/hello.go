package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/options"
	"github.com/go-socketserver/socketserver/internal/patience"
	"github.com/go-socketserver/socketserver/internal/text"
)

// Hello is what a process says first.
type Hello struct {
	Build string `json:"build"`           // see framework.Build; empty where it was not asked
	Files int    `json:"files"`           // its limit of open descriptors; 0: none
	State bool   `json:"state,omitempty"` // it may ask for the state of its server
	// Layers is the version of the descriptions that it makes layers of; 0: it makes none.
	Layers int `json:"layers,omitempty"`

	// Of a worker that speaks for itself, as a plugin without control service does.

	Networks []string         `json:"networks,omitempty"`
	Stateful string           `json:"stateful,omitempty"` // what it keeps in memory between requests
	Options  []options.Option `json:"options,omitempty"`
	Problems []Problem        `json:"problems,omitempty"` // why it does not serve
	Forks    bool             `json:"forks,omitempty"`    // it has a process of its own for each request
	Ping     bool             `json:"ping,omitempty"`     // it answers pings
}

// A Problem has the fields of the framework's OptionError.
type Problem struct {
	Option  string `json:"option"` // empty: it is none of an option
	Problem string `json:"problem"`
}

// problem returns why the worker does not serve.
func (h *Hello) problem() error {
	if len(h.Problems) == 0 {
		return nil
	}
	return errors.New(text.Line(h.Problems[0].Problem))
}

// reservedFiles is the number of descriptors that a process keeps for itself.
const reservedFiles = 64

// files returns the number of connections that the process may hold; 0: not known yet.
func (p *Process) files() int {
	if !p.saidHello() || p.hello.Files == 0 {
		return 0
	}
	return max(p.hello.Files-reservedFiles, 1)
}

// Ready waits for the hello. The time for which the process has no processor does not count, see
// [patience.WithTimeout].
func (p *Process) Ready(timeout time.Duration) error {
	ctx, cancel := patience.WithTimeout(context.Background(), timeout, func() int { return p.pid })
	defer cancel()
	select {
	case <-p.ready:
		return nil
	case <-p.gone:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("the worker did not say hello within %s", timeout)
	}
}

// awaitTurn waits for the hello, or for turn.
func (p *Process) awaitTurn(turn time.Duration) {
	over := time.NewTimer(turn)
	defer over.Stop()
	select {
	case <-p.ready:
	case <-p.gone:
	case <-over.C:
	}
}

// Configure tells the process what to be, as JSON. The error is that no process can be told so much. One that has
// gone already is not told, and its first task gets the error of that.
func (p *Process) Configure(as []byte) error {
	f := &handoff.Frame{Kind: handoff.Configure, Body: as}
	if err := f.Check(); err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	_ = p.channel.Send(f, nil)
	return nil
}

// Hello returns what the process has said, once it is Ready.
func (p *Process) Hello() *Hello { return &p.hello }

// Ping returns once the process has sent something, whatever it is, since the last Ping; if it has
// not, it is asked to. One call at a time.
func (p *Process) Ping(ctx context.Context) error {
	select {
	case <-p.answered:
		return nil
	default:
	}
	// A full channel says nothing: what is to be read there may be read yet.
	if err := p.channel.TrySend(&handoff.Frame{Kind: handoff.Ping}); err != nil && !errors.Is(err, handoff.ErrFull) {
		return err
	}
	select {
	case <-p.answered:
		return nil
	case <-p.gone:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readyAt is when the process said hello; now, if it has not.
func (p *Process) readyAt() int64 {
	if !p.saidHello() {
		return conn.Now()
	}
	return p.began
}

func (p *Process) saidHello() bool { return life.Closed(p.ready) }
