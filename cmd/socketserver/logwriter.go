package main

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/internal/text"
)

const (
	maxUnread  = 1 << 20               // bytes of the log that wait to be written
	logWait    = 20 * time.Millisecond // for one line to be written
	flushLimit = time.Second           // for all of them, at the end
)

// A logWriter writes lines to out and never waits long for it: a log that is not read delays
// nothing. As long as out takes them a line has been written when Write returns, so that a crash
// loses none. Otherwise lines wait in memory, and those beyond maxUnread are dropped and counted.
type logWriter struct {
	out io.Writer

	mu      sync.Mutex
	own     hclog.Logger        // to out, for the number of lines dropped; nil: it is not logged
	form    func([]byte) []byte // makes an entry safe; nil: it is
	waiting []byte
	dropped int
	stuck   bool          // the last line was not written in time
	written chan struct{} // closed when all has been written; nil: all has been
}

// logger returns a logger to w. What w has to say itself is logged alike.
func (w *logWriter) logger(o hclog.LoggerOptions) hclog.Logger {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.form = foldFields
	if o.JSONFormat {
		w.form = escapeHidden
	}
	o.Output = w.out
	w.own = hclog.New(&o)
	o.Output = w
	return newLeveledLog(func() hclog.Logger { return hclog.New(&o) })
}

// escapeHidden returns JSON without the characters that are dangerous to show, which
// encoding/json leaves as they are. They occur in strings alone.
func escapeHidden(entry []byte) []byte {
	if !bytes.ContainsFunc(entry, text.Block.Hides) {
		return entry
	}
	var safe []byte
	for _, r := range string(entry) {
		if !text.Block.Hides(r) {
			safe = utf8.AppendRune(safe, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			safe = fmt.Appendf(safe, `\u%04x`, unit)
		}
	}
	return safe
}

// multiline matches a field whose value hclog has written on lines of its own, and linePrefix
// what each of them begins with, with or without colors. They are compiled on first use, as
// workers, which have no use for them, have to start quickly.
var (
	multiline  = colored(`\n  (C([^\x1b=\n]+)CC=)\nC((?:C  \| C[^\n]*\n)+)  `)
	linePrefix = colored(`(?m)^C  \| C`)
)

func colored(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(strings.ReplaceAll(pattern, "C", `(?:\x1b\[[\d;]*m)?`))
	})
}

// foldFields returns an entry in text format on one line, but for stacks. What a client or a
// plugin has put into a field could else be taken for an entry.
func foldFields(entry []byte) []byte {
	if bytes.IndexByte(entry, '\n') == len(entry)-1 {
		return entry
	}
	return multiline().ReplaceAllFunc(entry, func(field []byte) []byte {
		m := multiline().FindSubmatch(field)
		if string(m[2]) == "stack" {
			return field
		}
		value := strings.TrimSuffix(string(linePrefix().ReplaceAll(m[3], nil)), "\n")
		value = strings.NewReplacer(`"`, `\"`, "\n", `\n`).Replace(value)
		return fmt.Appendf(nil, ` %s"%s"`, m[1], value)
	})
}

// Write writes p, which is whole lines, or queues it.
func (w *logWriter) Write(p []byte) (int, error) {
	size := len(p)
	w.mu.Lock()
	if w.form != nil {
		p = w.form(p)
	}
	if w.stuck && len(w.waiting)+len(p) > maxUnread {
		w.dropped++
		w.mu.Unlock()
		return size, nil
	}
	w.waiting = append(w.waiting, p...)
	if w.written == nil {
		w.written = make(chan struct{})
		go w.drain()
	}
	wait := logWait
	if w.stuck {
		wait = 0
	}
	w.mu.Unlock()
	if wait > 0 && !w.flush(wait) {
		w.mu.Lock()
		w.stuck = w.written != nil
		w.mu.Unlock()
	}
	return size, nil
}

// flush waits until all has been written, and reports whether it has been. It looks twice within limit: a process
// that had no processor meanwhile has neither waited nor written.
func (w *logWriter) flush(limit time.Duration) bool {
	w.mu.Lock()
	written := w.written
	w.mu.Unlock()
	if written == nil {
		return true
	}
	for range 2 {
		select {
		case <-written:
			return true
		case <-time.After(limit / 2):
		}
	}
	return false
}

// drain writes until nothing waits.
func (w *logWriter) drain() {
	for {
		w.mu.Lock()
		p, dropped, log := w.waiting, w.dropped, w.own
		w.waiting, w.dropped = nil, 0
		if len(p) == 0 && dropped == 0 {
			close(w.written)
			w.written, w.stuck = nil, false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		_, _ = w.out.Write(p)
		if dropped > 0 && log != nil {
			log.Warn("log lines dropped: the log was not read", "lines", dropped)
		}
	}
}
