// Package logline turns the output of a worker or plugin process into lines of the server's
// log. The output is not trusted: it is bounded in length and rate, takes no field of the
// server's, and never reaches a terminal as a control sequence.
package logline

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/internal/text"
)

const (
	maxLine   = 8 << 10     // bytes of a line; the rest is cut
	maxStack  = 16 << 10    // bytes of a crash
	silence   = time.Second // after which a crash, or a line without an end, is complete
	keepLines = 10
	tailAge   = 10 * time.Second // more than a process has to start
)

// A Relay logs the output of one process.
type Relay struct {
	// Before is called with each line and returns the part to log. It is set before Copy, or nil.
	Before func(line string) string

	log    hclog.Logger
	host   []string // names of the host's fields
	budget *Budget
	alone  bool // no other relay uses the budget

	begun []byte          // the line that has no end yet, up to maxLine
	crash strings.Builder // what has been printed of a crash; empty: there is none
	cut   int             // lines that were too much of it

	mu   sync.Mutex
	tail []printed // the last lines
	last bool      // the process printed a crash and nothing after it
}

// printed is a line as it was printed.
type printed struct {
	text  string
	at    time.Time
	crash bool // it begins one
}

// NewRelay makes a relay to log that has a budget of its own.
func NewRelay(log hclog.Logger) *Relay {
	l := (&Budget{}).NewRelay(log)
	l.alone = true
	return l
}

// Copy logs the lines of r until it ends. It never stops reading, so that the process is not
// blocked. If r has read deadlines, as a pipe, a crash and a line without an end are logged after
// a silence, as the process may wait and print no more.
func (l *Relay) Copy(r io.Reader) {
	deadline, _ := r.(interface{ SetReadDeadline(t time.Time) error })
	buf, armed := make([]byte, 512), false // most processes print little, and there may be thousands
	for {
		n, err := r.Read(buf)
		_, _ = l.Write(buf[:n])
		if n == len(buf) && n < maxLine {
			buf = make([]byte, maxLine)
		}
		silent := errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil && !silent {
			break
		}
		if silent {
			l.flush()
			l.logCrash()
		}
		pending := len(l.begun) > 0 || l.crash.Len() > 0
		switch {
		case deadline == nil || !pending && !armed:
		case pending:
			armed = deadline.SetReadDeadline(time.Now().Add(silence)) == nil
		default:
			armed = deadline.SetReadDeadline(time.Time{}) != nil
		}
	}
	l.Close()
}

// Write logs the lines that end in printed, and keeps the rest for the next call or Close. It is for
// output that does not come from a reader, in place of Copy.
func (l *Relay) Write(printed []byte) (int, error) {
	n := len(printed)
	for len(printed) > 0 {
		line, rest, whole := bytes.Cut(printed, []byte("\n"))
		l.begun = append(l.begun, line[:min(len(line), maxLine-len(l.begun))]...)
		if printed = rest; whole {
			l.flush()
		}
	}
	return n, nil
}

// Close logs what has no end yet. Copy does so itself.
func (l *Relay) Close() {
	l.flush()
	l.mu.Lock()
	l.last = l.crash.Len() > 0
	l.mu.Unlock()
	l.logCrash()
	if l.alone {
		l.budget.Flush()
	}
}

func (l *Relay) flush() {
	line := strings.TrimRight(string(l.begun), "\r")
	l.begun = l.begun[:0]
	if l.Before != nil {
		line = l.Before(line)
	}
	if line != "" {
		l.line(line)
	}
}

// Tail returns the last lines, for an error that says why the process ended. Lines that are old
// do not belong there, nor does a crash that the process has only printed, as of a handler that
// recovers: crashed reports whether it ended as a crash ends it.
func (l *Relay) Tail(crashed bool) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var tail []string
	for i, line := range l.tail {
		if time.Since(line.at) < tailAge && (!line.crash || crashed && l.last && i == len(l.tail)-1) {
			tail = append(tail, text.Line(line.text))
		}
	}
	return tail
}

func (l *Relay) line(line string) {
	if l.crash.Len() > 0 {
		if inCrash().MatchString(line) {
			l.growCrash(text.Line(line))
			return
		}
		l.logCrash() // it was none, or the process goes on
	}
	crash := isCrash(line)
	l.mu.Lock()
	l.tail = append(l.tail, printed{line, time.Now(), crash})
	l.tail = l.tail[max(0, len(l.tail)-keepLines):]
	l.mu.Unlock()
	if crash {
		l.growCrash(text.Line(line))
		return
	}
	if !l.budget.lines.Admit(maxRate, len(line), l.dropped) {
		return
	}
	if level, message, args, ok := l.parse(line); ok {
		l.log.Log(level, message, args...)
		return
	}
	l.log.Info(text.Line(line))
}

// crashes are how that begins which the Go runtime prints before it ends a process.
var crashes = []string{
	"panic: ", "fatal error: ", "runtime: ", "unexpected fault address ", "SIGSEGV: segmentation ", "SIGABRT: abort", "SIGBUS: bus ", "SIGQUIT: quit",
	"SIGILL: illegal ", "SIGTRAP: trace ", "SIGFPE: floating-", "SIGSYS: bad ", "SIGSTKFLT: stack ",
}

// isCrash reports whether a line begins a crash. A program may print such a line and go on.
func isCrash(line string) bool {
	return slices.ContainsFunc(crashes, func(begin string) bool { return strings.HasPrefix(line, begin) })
}

// inCrash matches the lines that follow: messages, headings, places, functions with their
// arguments, registers and the like.
// It is compiled on first use, as workers have to start quickly.
var inCrash = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\s*$|\t|fatal error: |runtime: |runtime stack:|goroutine |created by |exit status |` +
		`\[signal |-----$|instruction bytes: |\[originating |\.\.\.|stack: |0x|SIG[A-Z]+: |PC=|signal arrived |[a-z][a-z0-9]+ +0x|` +
		`[^\s(]+(\([^)\s]*\)[^\s(]*)?\(.*\)$)`)
})

// growCrash adds a line to a crash, which it may begin.
func (l *Relay) growCrash(line string) {
	if l.crash.Len() > 0 && l.crash.Len()+len(line) >= maxStack {
		l.cut++
		return
	}
	l.crash.WriteString(line + "\n")
}

// logCrash logs a crash, if there is one, as complete.
func (l *Relay) logCrash() {
	if l.crash.Len() == 0 {
		return
	}
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
	l.cut = 0
}

// dropped logs the number of lines that the budget did not admit.
func (l *Relay) dropped(lines, _ int) {
	l.log.Warn("log lines dropped: too much is printed", "lines", lines)
}

// parse reads a line that hclog wrote as JSON. Values keep their JSON form. Fields with a name
// of the host's are renamed, so that they do not take their place.
func (l *Relay) parse(printed string) (level hclog.Level, message string, args []any, ok bool) {
	var fields map[string]any
	d := json.NewDecoder(strings.NewReader(printed))
	d.UseNumber()
	if !strings.HasPrefix(printed, "{") || d.Decode(&fields) != nil || d.InputOffset() != int64(len(strings.TrimRight(printed, " \t"))) {
		return 0, "", nil, false
	}
	if message, ok = fields["@message"].(string); !ok {
		return 0, "", nil, false
	}
	name, _ := fields["@level"].(string)
	if level = hclog.LevelFromString(name); level == hclog.NoLevel || level == hclog.Off {
		level = hclog.Info
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if strings.HasPrefix(key, "@") {
			continue
		}
		name := strings.NewReplacer(" ", "_", "=", "_", `"`, "_").Replace(text.Line(key))
		if slices.Contains(l.host, name) {
			name = "printed_" + name
		}
		args = append(args, name, value(fields[key])) // hclog quotes values itself
	}
	return level, text.Line(message), args, true
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
