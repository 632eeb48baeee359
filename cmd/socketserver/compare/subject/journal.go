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

// A Line is one line of a subject's log. Nothing in it is a control sequence.
type Line struct {
	Level string // as in error; empty: the line was printed, not logged
	Text  string // the message, and its error where it has one
}

// A journal keeps the last lines of a subject.
type journal struct {
	mu      sync.Mutex
	lines   []Line
	changed chan struct{} // closed when there is another line, or there are no more
	over    bool
}

const (
	keptLines = 500
	maxLine   = 2 << 10 // bytes that are kept of one
)

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

// copy reads lines from r until it ends. intercept sees each first, and returns true for
// one that is no line of the log.
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
	j.tellChanged()
}

// end says that there are no more lines.
func (j *journal) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.over = true
	j.tellChanged()
}

func (j *journal) tellChanged() {
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

// tail is the last lines as text, for an error.
func (j *journal) tail() string {
	lines := j.last()
	var texts []string
	for _, l := range lines[max(0, len(lines)-5):] {
		texts = append(texts, l.Text)
	}
	return strings.Join(texts, "; ")
}

// parseLine reads a line that hclog wrote as JSON, or any other one.
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
