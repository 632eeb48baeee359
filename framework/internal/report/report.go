// Package report logs the errors that end requests.
package report

import (
	"errors"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// A Reporter bounds what it logs, so that clients that can make a handler fail cannot fill a
// disk. The zero value is ready.
type Reporter struct{ failures, overdue, endless, handshakes, unfollowed, waiting ratelog.Limiter }

const maxFailures = 10 // requests that failed, logged a second

// Log logs the error that ended a request. request is the server's timeout of that name. stack
// is that of a panic. cutting means that a shutdown cuts requests off, which it logs itself.
func (p *Reporter) Log(log hclog.Logger, err error, request time.Duration, stack []byte, cutting bool) {
	if isOverdue(err, request) && !cutting {
		if more, ok := p.overdue.Allow(1); ok {
			log.Info("request ended: it took too long", ratelog.More(more, "error", err)...)
		}
		return
	}
	if cutting || worker.Routine(err) {
		log.Debug("request ended early", "error", err)
		return
	}
	more, ok := p.failures.Allow(maxFailures)
	switch {
	case !ok:
	case stack != nil:
		log.Error("handler panicked", ratelog.More(more, "error", err, "stack", strings.ReplaceAll(string(stack), "\t", "    "))...)
	default:
		log.Error("request failed", ratelog.More(more, "error", err)...)
	}
}

// Endless logs a handler that does not end though its request has timed out, after that time.
// stack is its goroutine's.
func (p *Reporter) Endless(log hclog.Logger, after time.Duration, stack, next string) {
	if more, ok := p.endless.Allow(1); ok {
		log.Error("handler does not end though its request has timed out", ratelog.More(more,
			"running", after.String(), "stack", strings.ReplaceAll(stack, "\t", "    "), "next", next)...)
	}
}

// Waits logs a request that begins when there is what it lacks.
func (p *Reporter) Waits(log hclog.Logger, err error, next string) {
	if more, ok := p.waiting.Allow(1); ok {
		log.Error("request waits to begin", ratelog.More(more, "error", err, "next", next)...)
	}
}

// Refused logs a client that was turned away, for that reason.
func (p *Reporter) Refused(log hclog.Logger, why string) {
	if more, ok := p.failures.Allow(maxFailures); ok {
		log.Warn("client refused: "+why, ratelog.More(more)...)
	}
}

// Handshake logs a client that has not passed the handshake of a layer. Those beyond the first one of a second, which may be
// the last for long, are counted in log at its end.
func (p *Reporter) Handshake(log, client hclog.Logger, err error) {
	count := func(clients, _ int) {
		log.Warn("more clients refused: handshake failed", "clients", clients, "next", `log { level = "debug" } has the reason of each`)
	}
	level := hclog.Debug
	if p.handshakes.Admit(1, 0, count) {
		level = hclog.Warn
	}
	client.Log(level, "client refused: handshake failed", "error", err)
}

// Unfollowed logs a worker whose requests are not counted, as it reports too many, or one twice.
func (p *Reporter) Unfollowed(log hclog.Logger, pid int) {
	if more, ok := p.unfollowed.Allow(1); ok {
		log.Warn("a request of a worker is not counted: it reports more than one can have", ratelog.More(more, "pid", pid)...)
	}
}

// isOverdue reports whether err is that of the request timeout. It cuts clients off in the
// middle of what they do, so it is logged where other timeouts are routine. Errors cross a
// process as text.
func isOverdue(err error, request time.Duration) bool {
	return request > 0 && errors.Is(err, os.ErrDeadlineExceeded) &&
		strings.Contains(err.Error(), (&conn.TimeoutError{Name: "request", After: request}).Error())
}
