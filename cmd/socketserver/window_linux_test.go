package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// patience bounds what a test waits for, so that one that fails ends.
const patience = time.Minute

// A window is the far side of a pseudo-terminal, whose screen a test looks at.
type window struct {
	t              *testing.T
	keyboard, line *os.File // of the person, and of the program
	command        *exec.Cmd
	before         *term.State

	mu      sync.Mutex
	output  []byte // all of it
	screen  screen
	changed chan struct{} // closed when the screen has changed
}

// newWindow runs a command on a terminal of its own, which the test takes away at its end.
func newWindow(t *testing.T, command *exec.Cmd, columns, rows int) *window {
	t.Helper()
	keyboard, line, err := pty.Open()
	require.NoError(t, err)
	term := &window{
		t: t, keyboard: keyboard, line: line, command: command,
		screen: screen{rows: make([][]string, rows)}, changed: make(chan struct{}),
	}
	term.Resize(columns)
	term.before = term.Settings()
	command.Stdin, command.Stdout = line, line
	if command.Env == nil {
		command.Env = append(os.Environ(), "TERM=xterm")
	}
	if command.Stderr == nil {
		command.Stderr = line
	}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, command.Start())
	go term.show()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = keyboard.Close()
		_ = line.Close()
	})
	return term
}

// Type presses keys.
func (term *window) Type(keys string) {
	term.t.Helper()
	_, err := term.keyboard.WriteString(keys)
	require.NoError(term.t, err)
}

// Paste pastes text as a terminal does.
func (term *window) Paste(text string) {
	term.t.Helper()
	term.await(term.pastes, true)
	term.Type("\x1b[200~" + text + "\x1b[201~")
}

// Resize changes the width of the window.
func (term *window) Resize(columns int) {
	term.t.Helper()
	term.mu.Lock()
	defer term.mu.Unlock()
	term.screen.columns = columns
	require.NoError(term.t, pty.Setsize(term.line, &pty.Winsize{Cols: uint16(columns), Rows: uint16(len(term.screen.rows))}))
}

// Await waits until the screen shows exactly these rows, and the cursor is in a column of
// the last one, counted from 0.
func (term *window) Await(column int, rows ...string) {
	term.t.Helper()
	term.AwaitGeneral(func(screen string) string { return screen }, column, rows...)
}

// AwaitGeneral is await for the screen as general puts it, which replaces what a
// test cannot know.
func (term *window) AwaitGeneral(general func(screen string) string, column int, rows ...string) {
	term.t.Helper()
	term.await(func() any { return general(term.screen.String()) }, fmt.Sprintf("%s|%d", strings.Join(rows, "\n"), column))
}

// await waits until get returns want.
func (term *window) await(get func() any, want any) {
	term.t.Helper()
	late := time.After(patience)
	for {
		term.mu.Lock()
		got, output, changed := get(), term.output, term.changed
		term.mu.Unlock()
		require.Regexp(term.t, harmless, string(output))
		if got == want {
			return
		}
		select {
		case <-changed:
		case <-late:
			require.Equal(term.t, want, got)
		}
	}
}

// pastes reports whether bracketed paste is on.
func (term *window) pastes() any {
	output := string(term.output)
	return strings.LastIndex(output, "\x1b[?2004h") > strings.LastIndex(output, "\x1b[?2004l")
}

// Settings are those of the terminal, which a program should leave as they were.
func (t *window) Settings() *term.State {
	t.t.Helper()
	settings, err := term.GetState(t.line.Fd())
	require.NoError(t.t, err)
	return settings
}

// Exit waits for the end of the program, requires that the terminal is as it was before,
// and returns the status as a shell would.
func (term *window) Exit() int {
	term.t.Helper()
	hang := time.AfterFunc(patience, func() { _ = term.command.Process.Kill() })
	_ = term.command.Wait()
	require.True(term.t, hang.Stop(), "the program did not end")
	require.Equal(term.t, term.before, term.Settings())
	term.await(term.pastes, false)
	status := term.command.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

func (term *window) show() {
	for buf := make([]byte, 4096); ; {
		n, err := term.keyboard.Read(buf)
		if err != nil {
			return
		}
		term.mu.Lock()
		term.output = append(term.output, buf[:n]...)
		term.screen.write(string(buf[:n]))
		close(term.changed)
		term.changed = make(chan struct{})
		term.mu.Unlock()
	}
}
