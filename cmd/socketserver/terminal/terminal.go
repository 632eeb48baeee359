// Package terminal edits a line below incoming output.
//
// The existing libraries do not fit. Bubble Tea queries the terminal's colours in its init, and
// so in every command of this program; it also keeps the cursor in the first column, where a
// Chinese input method then draws its composition. reeflective/readline repeats the line with
// each key when Chinese text fills a window of 40 columns, and does not allow output from
// another goroutine. golang.org/x/term assumes one column per character.
package terminal

import (
	"bytes"
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

// Settings configure a [Terminal].
type Settings struct {
	In, Out   *os.File // the same terminal; they stay open
	Prompt    string
	Words     []string // completed by Tab, besides the words typed and shown before
	Interrupt func()   // called on ^C, in a goroutine of its own; nil: ^C ends the input

	// OwnSignals leaves SIGINT, SIGTERM and SIGHUP to the program, which then calls Close.
	OwnSignals bool
}

// A Terminal edits a line in the last row and shows output above it. Read returns typed lines
// with their newlines, and io.EOF after ^D. Write may be called at any time. Close restores the
// terminal, and so do a signal that ends the program and a panic of the goroutine that reads
// keys; other goroutines call [Terminal.Restore] in a panic.
type Terminal struct {
	Settings
	keys    cancelreader.CancelReader
	before  *term.State
	done    chan struct{} // closed when no more keys are read
	caught  chan os.Signal
	signals func() // stops watching signals

	mu      sync.Mutex
	typed   *sync.Cond
	line    line
	visible text.Stream
	shown   shown
	column  int    // where unfinished output ends in the row above the prompt; 0: there is none
	full    bool   // the last output filled its row, so that the next newline is already done
	columns int    // of the window
	lines   []byte // typed and not read yet
	ended   bool
	pasting bool // between the two marks of bracketed paste

	suspended, closed bool
}

// Usable reports whether in and out are a terminal that can edit lines. Otherwise the system's
// line discipline edits them.
func Usable(in, out *os.File) bool {
	kind := os.Getenv("TERM")
	return supported && kind != "" && kind != "dumb" && kind != "unknown" && term.IsTerminal(in.Fd()) && term.IsTerminal(out.Fd())
}

// Open switches the terminal to raw mode and shows the prompt. The caller calls Close.
func Open(s Settings) (*Terminal, error) {
	before, err := term.MakeRaw(s.In.Fd())
	if err != nil {
		return nil, fmt.Errorf("prepare the terminal: %w", err)
	}
	t := &Terminal{Settings: s, before: before, done: make(chan struct{}), caught: make(chan os.Signal, 8)}
	t.typed = sync.NewCond(&t.mu)
	if t.keys, err = cancelreader.NewReader(s.In); err != nil {
		t.Restore()
		return nil, fmt.Errorf("read the terminal: %w", err)
	}
	t.signals = t.watch()
	_, _ = io.WriteString(t.Out, pasteOn)
	t.redraw(false)
	go t.readKeys()
	return t, nil
}

// Restore restores the terminal. It takes no lock, so that a deferred function can call it in
// a panic.
func (t *Terminal) Restore() { _ = t.restore() }

func (t *Terminal) restore() error {
	_, err := io.WriteString(t.Out, pasteOff)
	return errors.Join(err, term.Restore(t.In.Fd(), t.before))
}

// Close ends reading and restores the terminal. Write then writes nothing.
func (t *Terminal) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed, t.ended = true, true
	t.typed.Broadcast()
	last := string(t.visible.Rest()) // an incomplete character
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
	return errors.Join(err, t.keys.Close(), t.restore())
}

// Read returns typed lines. It blocks until there is one.
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

// Write shows text above the prompt, with control characters escaped. The next call continues
// an unfinished line.
func (t *Terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.show(string(t.visible.Next(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// BeginLine ends an unfinished line of output, except within a character.
func (t *Terminal) BeginLine() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.visible.Held() {
		t.newRow()
	}
	return nil
}

// show writes text at the end of the previous output, and the prompt below.
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

// draw replaces the prompt by text and a new prompt below, with one write, so that it does not
// flicker.
func (t *Terminal) draw(text string) error {
	row, cursor := t.line.view(t.Prompt, t.columns)
	_, err := io.WriteString(t.Out, "\r\x1b[J"+text+row+"\x1b["+strconv.Itoa(cursor+1)+"G")
	return err
}

// measure reads the width of the window. It ends an unfinished line of output, which the
// terminal may have rewrapped.
func (t *Terminal) measure() {
	columns, _, err := term.GetSize(t.Out.Fd())
	if err != nil || columns <= 0 {
		columns = 80
	}
	t.columns, t.column, t.full = columns, 0, false
}

// redraw draws the prompt after the window has changed, or after the program was stopped.
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

// readKeys handles keys until the input ends.
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

// press handles the keys in b and returns the beginning of an incomplete one.
func (t *Terminal) press(b []byte) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.suspended {
		t.resume()
	}
	for len(b) > 0 && !t.closed {
		n := 0
		if t.pasting {
			n = t.paste(b)
		} else if n = decodeKey(b); n > 0 {
			t.key(string(b[:n]))
		}
		if n == 0 {
			break
		}
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
		stopJob()
	case key == keyPaste:
		t.pasting = true
	case key[0] >= ' ': // no control character and no sequence
		t.line.insert(key)
	}
}

// paste inserts what was pasted, every byte of it, and returns how much of b that was. Lines are
// entered.
func (t *Terminal) paste(b []byte) int {
	text, _, ended := bytes.Cut(b, []byte(keyPasted))
	n := len(text)
	if ended {
		n += len(keyPasted)
		t.pasting = false
	} else { // the end may have arrived in part
		for i := min(len(text), len(keyPasted)-1); i > 0; i-- {
			if bytes.HasSuffix(text, []byte(keyPasted[:i])) {
				text = text[:len(text)-i]
				break
			}
		}
		n = len(text)
	}
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(text)), "\n")
	for i, line := range lines {
		if i > 0 {
			t.enter()
		}
		t.line.insert(line)
	}
	return n
}

// complete completes the word before the cursor, or lists the candidates.
func (t *Terminal) complete() {
	if offers := t.line.complete(slices.Concat(t.Words, t.shown.words(), words(t.line.history))); len(offers) > 0 {
		t.newRow()
		_ = t.show(strings.Join(offers, "  ") + "\n")
	}
}

// newRow ends an unfinished line of output. The prompt is in the next row already.
func (t *Terminal) newRow() {
	t.column, t.full = 0, false
	t.shown.add("\n")
}

// enter leaves the typed line on the screen and passes it to Read.
func (t *Terminal) enter() {
	if t.ended {
		return
	}
	text := t.line.take()
	t.lines = append(append(t.lines, text...), '\n')
	t.newRow()
	_ = t.draw(t.Prompt + shape(text) + "\r\n")
	t.typed.Broadcast()
}

func (t *Terminal) end() {
	t.ended = true
	t.typed.Broadcast()
}
