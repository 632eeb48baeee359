// Package terminal lets a person type lines below what comes in from elsewhere.
//
// It is written by hand because what there is does not do. Bubble Tea asks the terminal
// for its colours when it is linked, before main, and so would every command of this
// program; it also keeps the cursor in the first column, where an input method for Chinese
// then shows what is being composed. reeflective/readline repeats the line with each key
// when Chinese text fills a window of 40 columns, and its output may not come from another
// goroutine. golang.org/x/term takes each character for one column.
package terminal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/charmbracelet/x/term"
	"github.com/muesli/cancelreader"
	"github.com/rivo/uniseg"

	"github.com/go-socketserver/socketserver/internal/text"
)

// Settings are what a [Terminal] is opened with.
type Settings struct {
	In, Out   *os.File // the same terminal; they stay open
	Prompt    string
	Words     []string // that Tab completes, besides what was typed and shown before
	Interrupt func()   // called on ^C, in another goroutine than the reader's; nil: ^C ends the input

	// OwnSignals leaves SIGINT, SIGTERM and SIGHUP to the program; it calls Close then.
	OwnSignals bool
}

// A Terminal is a terminal whose last row is edited while text appears above. Lines are
// read as from a file: Read returns them with their newlines and io.EOF after ^D, while
// Write may be called at any time. The terminal is as it was after Close, and also when a
// signal ends the program or a goroutine that reads keys panics; for others there is
// [Terminal.Restore].
type Terminal struct {
	Settings
	keys    cancelreader.CancelReader
	before  *term.State
	done    chan struct{} // closed when no more keys are read
	signals func()        // stops watching them

	mu      sync.Mutex
	typed   *sync.Cond
	line    line
	visible text.Stream
	shown   shown
	column  int    // that unfinished output ends in, in the row above the prompt; 0: there is none
	full    bool   // the last output ended with the row, and the next newline is done
	columns int    // of the window
	lines   []byte // that are typed and not read yet
	ended   bool

	suspended, closed bool
}

// Usable says whether in and out are a terminal on which lines can be edited. Where not,
// what a person types comes as the system edits it.
func Usable(in, out *os.File) bool {
	return supported && os.Getenv("TERM") != "dumb" && term.IsTerminal(in.Fd()) && term.IsTerminal(out.Fd())
}

// Open shows the prompt. The caller calls Close.
func Open(s Settings) (*Terminal, error) {
	before, err := term.MakeRaw(s.In.Fd())
	if err != nil {
		return nil, fmt.Errorf("prepare the terminal: %w", err)
	}
	t := &Terminal{Settings: s, before: before, done: make(chan struct{})}
	t.typed = sync.NewCond(&t.mu)
	if t.keys, err = cancelreader.NewReader(s.In); err != nil {
		t.Restore()
		return nil, fmt.Errorf("read the terminal: %w", err)
	}
	t.signals = t.watch()
	t.redraw(false)
	go t.readKeys()
	return t, nil
}

// Restore gives the terminal back as it was. It waits for nobody, so that a function that
// was deferred can call it in a panic.
func (t *Terminal) Restore() { _ = term.Restore(t.In.Fd(), t.before) }

// Close ends reading and restores the terminal. Write then writes nothing.
func (t *Terminal) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed, t.ended = true, true
	t.typed.Broadcast()
	last := string(t.visible.Rest()) // is the end of a character that never came
	if t.line.text != "" {
		last += "\r\n"
	} else {
		last = "\r\x1b[J" + last
	}
	_, err := io.WriteString(t.Out, last)
	t.mu.Unlock()
	t.signals()
	if t.keys.Cancel() {
		<-t.done
	}
	return errors.Join(err, t.keys.Close(), term.Restore(t.In.Fd(), t.before))
}

// Read returns what was typed, a line at the earliest.
func (t *Terminal) Read(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.lines) == 0 && !t.ended {
		t.typed.Wait()
	}
	if len(t.lines) == 0 {
		return 0, io.EOF
	}
	n := copy(p, t.lines)
	t.lines = t.lines[n:]
	return n, nil
}

// Write shows text above the prompt, with everything visible that is hidden in it. A line
// that does not end yet is continued by the next call.
func (t *Terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.show(string(t.visible.Next(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// BeginLine ends the line of output that is under way, unless a character is, too.
func (t *Terminal) BeginLine() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.visible.Held() {
		t.newRow()
	}
	return nil
}

// show writes text where the last one ended, and the prompt below.
func (t *Terminal) show(text string) error {
	if text == "" || t.closed {
		return nil
	}
	t.shown.add(text)
	var b strings.Builder
	if t.column > 0 {
		b.WriteString("\x1b[A\x1b[" + strconv.Itoa(t.column+1) + "G")
	}
	if t.full {
		text = strings.TrimPrefix(text, "\n")
	}
	for state := -1; text != ""; {
		var cluster string
		var width int
		cluster, text, width, state = uniseg.FirstGraphemeClusterInString(text, state)
		switch cluster {
		case "\n":
			b.WriteString("\r\n")
			t.column = 0
			continue
		case "\t":
			width = 8 - t.column%8
			cluster = strings.Repeat(" ", width)
		}
		if t.column+width > t.columns {
			t.column = 0
		}
		t.column += width
		b.WriteString(cluster)
	}
	if t.full = t.column >= t.columns; t.full {
		b.WriteString("\r\n")
		t.column = 0
	} else if t.column > 0 {
		b.WriteString("\r\n")
	}
	return t.draw(b.String())
}

// draw writes text in place of the prompt, which goes below it. Everything is one write,
// so that nobody sees half of it.
func (t *Terminal) draw(text string) error {
	row, cursor := t.line.view(t.Prompt, t.columns)
	_, err := io.WriteString(t.Out, "\r\x1b[J"+text+row+"\x1b["+strconv.Itoa(cursor+1)+"G")
	return err
}

// measure asks for the width of the window. Output that is under way ends, as its row may
// have been folded.
func (t *Terminal) measure() {
	columns, _, err := term.GetSize(t.Out.Fd())
	if err != nil || columns <= 0 {
		columns = 80
	}
	t.columns, t.column, t.full = columns, 0, false
}

// redraw is for a window that has changed, or been used by others who had stopped us.
func (t *Terminal) redraw(stopped bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if stopped {
		t.resume()
	}
	t.measure()
	_ = t.draw("")
}

// readKeys handles keys until there are no more. What is typed while the program is busy
// is there when it reads again.
func (t *Terminal) readKeys() {
	defer close(t.done)
	defer t.Restore()
	var rest []byte
	for buf := make([]byte, 4096); ; {
		n, err := t.keys.Read(buf)
		if err != nil {
			t.mu.Lock()
			t.end()
			t.mu.Unlock()
			return
		}
		rest = t.press(append(rest, buf[:n]...))
	}
}

// press handles the keys in b and returns what is no whole key yet.
func (t *Terminal) press(b []byte) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.suspended {
		t.resume()
	}
	for len(b) > 0 && !t.closed {
		n := decodeKey(b)
		if n == 0 {
			break
		}
		t.key(string(b[:n]))
		b = b[n:]
	}
	if !t.closed && !t.suspended {
		_ = t.draw("")
	}
	return b
}

func (t *Terminal) key(key string) {
	edit, ok := edits[key]
	switch {
	case ok:
		edit(&t.line)
	case key == keyReturn || key == keyNewline:
		t.enter()
	case key == keyTab:
		t.complete()
	case key == keyEnd && t.line.text == "":
		t.end()
	case key == keyEnd:
		t.line.delete()
	case key == keyInterrupt && t.Interrupt != nil:
		go t.Interrupt()
	case key == keyInterrupt:
		t.end()
	case key == keyClear:
		_ = t.draw("\x1b[H\x1b[2J")
	case key == keySuspend:
		_ = t.draw("")
		_, _ = io.WriteString(t.Out, "\r\n")
		t.suspend()
	case !strings.ContainsFunc(key, unprintable):
		t.line.insert(key)
	}
}

// complete completes the word before the cursor, or offers what it may become.
func (t *Terminal) complete() {
	if offers := t.line.complete(slices.Concat(t.Words, t.shown.words(), words(t.line.history))); len(offers) > 0 {
		t.newRow()
		_ = t.show(strings.Join(offers, "  ") + "\n")
	}
}

// newRow ends the line of output that is under way: the prompt is in a row of its own already.
func (t *Terminal) newRow() {
	t.column, t.full = 0, false
	t.shown.add("\n")
}

// enter leaves the line as it was typed on the screen, and hands it to the reader.
func (t *Terminal) enter() {
	if t.ended {
		return
	}
	text := t.line.take()
	t.lines = append(append(t.lines, text...), '\n')
	t.newRow()
	_ = t.draw(t.Prompt + text + "\r\n")
	t.typed.Broadcast()
}

func (t *Terminal) end() {
	t.ended = true
	t.typed.Broadcast()
}

func unprintable(r rune) bool { return text.OneLine.Hides(r) || r == '\t' || r == '\ufffd' }
