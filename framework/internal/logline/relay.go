// Package logline turns what a worker or plugin process prints into lines of the
// server's log. What such a process prints is not trusted: it is bounded in length and
// rate, and nothing of it reaches a terminal as a control sequence.
package logline

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/internal/text"
)

const (
	maxLine   = 8 << 10     // bytes; what is longer is cut
	maxStack  = 16 << 10    // bytes of a crash
	silence   = time.Second // after which a crash is whole, and a line that has no end
	keepLines = 10
)

// A Relay logs what one process prints.
type Relay struct {
	// Before, where it is set before Copy, sees each line first and returns what of it is
	// to be logged.
	Before func(line string) string

	log    hclog.Logger
	host   []string // names of the host's fields
	budget *Budget
	alone  bool // no other relay uses the budget

	mu   sync.Mutex
	tail []string // its last lines, as they were printed

	crash strings.Builder // what has been printed of a crash
	cut   int             // lines that were too much of it
	quiet *time.Timer     // ends it; nil: there is none
}

// NewRelay makes a relay to log that has a budget of its own.
func NewRelay(log hclog.Logger) *Relay {
	l := (&Budget{}).NewRelay(log)
	l.alone = true
	return l
}

// Copy logs what r brings until it ends. It always reads on, so that the process is
// never held up. Two streams of a process may be copied at once.
func (l *Relay) Copy(r io.Reader) {
	lines := &splitter{relay: l}
	buf := make([]byte, maxLine)
	for {
		n, err := r.Read(buf)
		lines.take(buf[:n])
		if err != nil {
			break
		}
	}
	lines.end()
	l.endCrash()
	if l.alone {
		l.budget.Tell()
	}
}

// A splitter makes lines of what one stream brings. A line that stays unfinished is logged
// after a while, as the process may be waiting and print no more; what follows is another one.
type splitter struct {
	relay *Relay

	mu    sync.Mutex
	begun []byte      // of the line that has no end yet, as far as it is logged
	quiet *time.Timer // ends it; nil: there has never been one
}

func (s *splitter) take(printed []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(printed) > 0 {
		line, rest, whole := bytes.Cut(printed, []byte("\n"))
		s.begun = append(s.begun, line[:min(len(line), maxLine-len(s.begun))]...)
		if printed = rest; whole {
			s.tell()
		}
	}
	switch {
	case len(s.begun) == 0:
		if s.quiet != nil {
			s.quiet.Stop()
		}
	case s.quiet == nil:
		s.quiet = time.AfterFunc(silence, s.end)
	default:
		s.quiet.Reset(silence)
	}
}

// end logs what has no end.
func (s *splitter) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell()
}

func (s *splitter) tell() {
	text := strings.TrimRight(string(s.begun), "\r")
	s.begun = s.begun[:0]
	if s.relay.Before != nil {
		text = s.relay.Before(text)
	}
	if text != "" {
		s.relay.line(text)
	}
}

// Tail returns the last lines, for saying why the process ended.
func (l *Relay) Tail() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	tail := make([]string, len(l.tail))
	for i, line := range l.tail {
		tail[i] = text.Line(line)
	}
	return tail
}

func (l *Relay) line(printed string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.quiet != nil {
		if inCrash().MatchString(printed) {
			l.growCrash(text.Line(printed))
			return
		}
		l.tellCrash() // it was none, or the process goes on
	}
	l.tail = append(l.tail, printed)
	if len(l.tail) > keepLines {
		l.tail = slices.Delete(l.tail, 0, 1)
	}
	if isCrash(printed) {
		l.growCrash(text.Line(printed))
		return
	}
	if !l.budget.lines.Admit(maxRate, len(printed), l.dropped) {
		return
	}
	if event, ok := l.parse(printed); ok {
		l.log.Log(event.level, event.message, event.args...)
		return
	}
	l.log.Info(text.Line(printed))
}

// isCrash says whether a line begins what the Go runtime prints before it ends a process.
// A program may print such a line, too, and go on.
func isCrash(text string) bool {
	return strings.HasPrefix(text, "panic: ") || strings.HasPrefix(text, "fatal error: ") ||
		strings.HasPrefix(text, "runtime: ")
}

// inCrash matches the lines that follow: messages, headings, places, functions with their
// arguments, registers and the like.
// It is made when it is needed, as a worker, which has no use for it, is to start quickly.
var inCrash = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\s*$|\t|fatal error: |runtime: |runtime stack:|goroutine |created by |exit status |` +
		`\[signal |\[originating |\.\.\.|stack: |0x|SIG[A-Z]+: |PC=|signal arrived |[a-z][a-z0-9]+ +0x|` +
		`[^\s(]+(\([^)\s]*\)[^\s(]*)?\(.*\)$)`)
})

// growCrash adds a line to a crash, which it may begin.
func (l *Relay) growCrash(line string) {
	if l.quiet == nil {
		l.quiet = time.AfterFunc(silence, l.endCrash)
	} else {
		l.quiet.Reset(silence)
	}
	if l.crash.Len() > 0 && l.crash.Len()+len(line) >= maxStack {
		l.cut++
		return
	}
	l.crash.WriteString(line + "\n")
}

// endCrash logs a crash, if there is one: nothing more of it is printed.
func (l *Relay) endCrash() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tellCrash()
}

func (l *Relay) tellCrash() {
	if l.quiet == nil {
		return
	}
	l.quiet.Stop()
	first, stack, _ := strings.Cut(l.crash.String(), "\n")
	args := []any{"error", first, "stack", strings.ReplaceAll(stack, "\t", "    ")}
	if l.cut > 0 {
		args = append(args, "lines_cut", l.cut)
	}
	if _, ok := l.budget.crashes.Allow(maxCrashes); ok {
		l.log.Error("process crashed", args...)
	} else {
		l.budget.lines.Admit(0, l.crash.Len(), l.dropped) // counted with the lines
	}
	l.crash.Reset()
	l.cut, l.quiet = 0, nil
}

// dropped logs the number of lines that the budget did not admit.
func (l *Relay) dropped(lines, _ int) {
	l.log.Warn("log lines dropped: too much is printed", "lines", lines)
}

type event struct {
	level   hclog.Level
	message string
	args    []any
}

// parse reads a line that hclog wrote as JSON. Values keep their JSON form. Fields with a name
// of the host's are renamed, so that they do not take their place.
func (l *Relay) parse(printed string) (event, bool) {
	if !strings.HasPrefix(printed, "{") {
		return event{}, false
	}
	var fields map[string]any
	d := json.NewDecoder(strings.NewReader(printed))
	d.UseNumber()
	if d.Decode(&fields) != nil || d.InputOffset() != int64(len(strings.TrimRight(printed, " \t"))) {
		return event{}, false
	}
	message, ok := fields["@message"].(string)
	if !ok {
		return event{}, false
	}
	name, _ := fields["@level"].(string)
	e := event{level: hclog.LevelFromString(name), message: text.Line(message)}
	if e.level == hclog.NoLevel || e.level == hclog.Off {
		e.level = hclog.Info
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if strings.HasPrefix(key, "@") {
			continue
		}
		name := strings.NewReplacer(" ", "_", "=", "_", `"`, "_").Replace(text.Line(key))
		if slices.Contains(l.host, name) {
			name = "printed_" + name
		}
		e.args = append(e.args, name, value(fields[key])) // hclog quotes values itself
	}
	return e, true
}

// value returns v, of JSON, as what hclog writes like the value that it was printed from.
func value(v any) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	words := make([]string, len(list))
	for i := range list {
		if words[i], ok = list[i].(string); !ok {
			return v
		}
	}
	return words
}
