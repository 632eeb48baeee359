package subject

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
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
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 && !intercept(line) {
			j.add(parseLine(strings.TrimRight(string(line), "\r\n")))
		}
		for errors.Is(err, bufio.ErrBufferFull) { // the rest of a long line
			_, err = lines.ReadSlice('\n')
		}
		if err != nil {
			return
		}
	}
}

func (j *journal) add(line Line) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
	if len(j.lines) > keptLines {
		j.lines = slices.Delete(j.lines, 0, 1)
	}
	j.notify()
}

// end marks the journal as complete.
func (j *journal) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.over = true
	j.notify()
}

func (j *journal) notify() {
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *journal) last() []Line {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

func (j *journal) await(ctx context.Context, wanted func(Line) bool) bool {
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
	lines := j.last()
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
