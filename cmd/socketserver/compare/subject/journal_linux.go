package subject

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/go-socketserver/socketserver/internal/text"
)

// A Line is one line of a subject's log, without control sequences.
type Line struct {
	Level string // as in error; empty: the line was printed, not logged
	Text  string // the message, and its error if it has one
}

// A journal keeps the last lines of a subject.
type journal struct {
	mu      sync.Mutex
	lines   []Line
	changed chan struct{} // closed and replaced at each new line and at the end
	over    bool
}

const (
	keptLines = 500
	maxLine   = 2 << 10 // bytes; the rest of a longer line is dropped
)

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

// copy reads lines from r until it ends. A line for which intercept returns true is not part of
// the log.
func (j *journal) copy(r io.Reader, intercept func([]byte) bool) {
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, more, err := lines.ReadLine()
		if err == nil && !intercept(line) {
			j.add(parseLine(string(line)))
		}
		for more && err == nil {
			_, more, err = lines.ReadLine()
		}
		if err != nil {
			return
		}
	}
}

func (j *journal) add(lines ...Line) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, lines...)
	j.lines = slices.Delete(j.lines, 0, max(0, len(j.lines)-keptLines))
	close(j.changed)
	j.changed = make(chan struct{})
}

// end marks the journal as complete.
func (j *journal) end() {
	j.mu.Lock()
	j.over = true
	j.mu.Unlock()
	j.add() // nothing, to wake those that wait
}

// Log returns the last lines that the subject logged and printed.
func (j *journal) Log() []Line {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

// AwaitLog waits for a wanted line, among those of Log and those to come. It returns false when
// ctx is done or the log is complete.
func (j *journal) AwaitLog(ctx context.Context, wanted func(Line) bool) bool {
	for {
		j.mu.Lock()
		found, over, changed := slices.ContainsFunc(j.lines, wanted), j.over, j.changed
		j.mu.Unlock()
		if found || over {
			return found
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// tail returns the last lines as text, for an error.
func (j *journal) tail() string {
	lines := j.Log()
	var texts []string
	for _, l := range lines[max(0, len(lines)-5):] {
		texts = append(texts, l.Text)
	}
	return strings.Join(texts, "; ")
}

// parseLine parses a line that hclog wrote as JSON, or takes any other line as it is.
func parseLine(line string) Line {
	var logged struct {
		Level   string `json:"@level"`
		Message string `json:"@message"`
		Error   string `json:"error"`
	}
	if json.Unmarshal([]byte(line), &logged) != nil || logged.Message == "" {
		return Line{Text: text.Line(line)}
	}
	l := Line{Level: text.Line(logged.Level), Text: text.Line(logged.Message)}
	if logged.Error != "" {
		l.Text += ": " + text.Line(logged.Error)
	}
	return l
}
