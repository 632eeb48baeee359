// Package logline turns what a worker or plugin process prints into lines of the
// server's log. What such a process prints is not trusted: it is bounded in length and
// rate, and nothing of it reaches a terminal as a control sequence.
package logline

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
)

const (
	maxLine   = 8 << 10  // bytes; what is longer is cut
	maxStack  = 16 << 10 // bytes of a crash
	maxRate   = 200      // lines a second
	keepLines = 10
)

// A Relay logs what one process prints.
type Relay struct {
	// Before, where it is set before Copy, sees each line first and returns what of it is
	// to be logged.
	Before func(line string) string

	log hclog.Logger

	mu    sync.Mutex
	tail  []string // its last lines
	crash strings.Builder

	second  time.Time
	lines   int
	dropped int
}

// NewRelay makes a relay to log.
func NewRelay(log hclog.Logger) *Relay { return &Relay{log: log} }

// Copy logs what r brings until it ends. It always reads on, so that the process is
// never held up. Two streams of a process may be copied at once.
func (l *Relay) Copy(r io.Reader) {
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		text := strings.TrimRight(string(line), "\r\n")
		for errors.Is(err, bufio.ErrBufferFull) { // the rest of a long line
			_, err = lines.ReadSlice('\n')
		}
		if l.Before != nil {
			text = l.Before(text)
		}
		if text != "" {
			l.line(text)
		}
		if err != nil {
			break
		}
	}
	l.flush()
}

// Tail returns the last lines, for saying why the process ended.
func (l *Relay) Tail() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.tail)
}

func (l *Relay) line(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clean := Clean(text)
	if l.crash.Len() == 0 {
		l.tail = append(l.tail, clean)
		if len(l.tail) > keepLines {
			l.tail = slices.Delete(l.tail, 0, 1)
		}
	}
	if l.crash.Len() > 0 || isCrash(text) {
		if l.crash.Len()+len(clean) < maxStack {
			l.crash.WriteString(clean + "\n")
		}
		return
	}
	if !l.allow() {
		return
	}
	if event, ok := parse(text); ok {
		l.log.Log(event.level, event.message, event.args...)
		return
	}
	l.log.Info(clean)
}

// isCrash says whether a line begins what the Go runtime prints before it ends a process.
func isCrash(text string) bool {
	return strings.HasPrefix(text, "panic: ") || strings.HasPrefix(text, "fatal error: ") ||
		strings.HasPrefix(text, "runtime: ")
}

// allow bounds the rate.
func (l *Relay) allow() bool {
	if at := time.Now(); at.Sub(l.second) >= time.Second {
		l.tellDropped()
		l.second, l.lines = at, 0
	}
	l.lines++
	if l.lines > maxRate {
		l.dropped++
		return false
	}
	return true
}

func (l *Relay) tellDropped() {
	if l.dropped > 0 {
		l.log.Warn("log lines dropped: the process prints too much", "lines", l.dropped)
		l.dropped = 0
	}
}

func (l *Relay) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tellDropped()
	if l.crash.Len() > 0 {
		first, stack, _ := strings.Cut(l.crash.String(), "\n")
		l.log.Error("process crashed", "error", first, "stack", stack)
		l.crash.Reset()
	}
}

type event struct {
	level   hclog.Level
	message string
	args    []any
}

// parse reads a line that hclog wrote as JSON.
func parse(text string) (event, bool) {
	if !strings.HasPrefix(text, "{") {
		return event{}, false
	}
	var fields map[string]any
	if json.Unmarshal([]byte(text), &fields) != nil {
		return event{}, false
	}
	message, ok := fields["@message"].(string)
	if !ok {
		return event{}, false
	}
	name, _ := fields["@level"].(string)
	e := event{level: hclog.LevelFromString(name), message: Clean(message)}
	if e.level == hclog.NoLevel || e.level == hclog.Off {
		e.level = hclog.Info
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if strings.HasPrefix(key, "@") {
			continue
		}
		value := fields[key]
		if _, ok := value.(string); !ok {
			value = fmt.Sprint(value)
		}
		e.args = append(e.args, Clean(key), value) // hclog quotes values itself
	}
	return e, true
}

// Clean makes control characters, formatting characters and invalid UTF-8 visible.
func Clean(s string) string {
	if strings.IndexFunc(s, hidden) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case hidden(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		s = s[size:]
	}
	return b.String()
}

func hidden(r rune) bool {
	return r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029')
}
