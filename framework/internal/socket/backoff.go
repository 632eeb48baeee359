package socket

import (
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// A Backoff is what a loop does about errors of its transport. Only a closed transport ends
// the loop; other errors are retried with back-off.
type Backoff struct {
	delay time.Duration
	log   ratelog.Limiter
}

const minDelay, maxDelay = 5 * time.Millisecond, time.Second

// transient are errors of one client or of a moment.
var transient = []error{
	syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR, syscall.EAGAIN, syscall.EPROTO,
	syscall.EPERM, syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ECONNREFUSED,
	syscall.ETIMEDOUT, syscall.ENOPROTOOPT, syscall.EOPNOTSUPP,
}

// exhausted are errors that last until a resource is released.
var exhausted = map[error]string{
	syscall.EMFILE:  "this process is out of descriptors: raise its limit (ulimit -n, LimitNOFILE) or lower limits.connections",
	syscall.ENFILE:  "the system is out of descriptors: raise fs.file-max",
	syscall.ENOBUFS: "the system is out of network buffers: lower limits.connections",
	syscall.ENOMEM:  "the system is out of memory: lower limits.connections",
}

// Report logs err, at most one line a second, and returns how long to wait.
func (a *Backoff) Report(log hclog.Logger, err error) time.Duration {
	a.delay = min(max(2*a.delay, minDelay), maxDelay)
	more, ok := a.log.Allow(1)
	if !ok {
		return a.delay
	}
	is := func(e error) bool { return errors.Is(err, e) }
	if slices.ContainsFunc(transient, is) {
		log.Debug("could not get a request", ratelog.More(more, "error", err)...)
		return a.delay
	}
	if remedy := Remedy(err); remedy != "" {
		log.Error("could not get a request; waiting", ratelog.More(more, "error", err, "next", remedy)...)
		return a.delay
	}
	log.Error("could not get a request; trying again", ratelog.More(more, "error", err)...)
	return a.delay
}

// Remedy returns what to do about an error that lasts until a resource is released; empty: it is none.
func Remedy(err error) string {
	for e, remedy := range exhausted {
		if errors.Is(err, e) {
			return remedy
		}
	}
	return ""
}

// Reset ends the back-off.
func (a *Backoff) Reset() { a.delay = 0 }
