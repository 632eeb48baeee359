// Package terminaltest runs programs on a terminal whose screen a test can look at.
package terminaltest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// patience bounds what a test waits for, so that one that fails ends.
const patience = time.Minute

// A Terminal is the far side of a pseudo-terminal.
type Terminal struct {
	t              *testing.T
	keyboard, line *os.File // of the person, and of the program
	command        *exec.Cmd
	before         unix.Termios

	mu      sync.Mutex
	screen  *screen
	changed chan struct{} // closed when the screen has changed
}

// Start runs a command on a terminal of its own, which the test takes away at its end.
func Start(t *testing.T, command *exec.Cmd, columns, rows int) *Terminal {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	control, err := keyboard.SyscallConn()
	require.NoError(t, err)
	var number int
	require.NoError(t, control.Control(func(fd uintptr) {
		require.NoError(t, unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0))
		number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
	}))
	require.NoError(t, err)
	line, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	term := &Terminal{
		t: t, keyboard: keyboard, line: line, command: command,
		screen: newScreen(columns, rows), changed: make(chan struct{}),
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
func (term *Terminal) Type(keys string) {
	term.t.Helper()
	_, err := term.keyboard.WriteString(keys)
	require.NoError(term.t, err)
}

// Resize changes the width of the window.
func (term *Terminal) Resize(columns int) {
	term.t.Helper()
	term.mu.Lock()
	term.screen.columns = columns
	term.mu.Unlock()
	size := &unix.Winsize{Col: uint16(columns), Row: uint16(len(term.screen.rows))}
	require.NoError(term.t, unix.IoctlSetWinsize(int(term.line.Fd()), unix.TIOCSWINSZ, size))
}

// Await waits until the screen shows exactly these rows, and the cursor is in a column of
// the last one, counted from 0.
func (term *Terminal) Await(column int, rows ...string) {
	term.t.Helper()
	term.AwaitGeneral(func(screen string) string { return screen }, column, rows...)
}

// AwaitGeneral is [Terminal.Await] for the screen as general puts it, which replaces what a
// test cannot know.
func (term *Terminal) AwaitGeneral(general func(screen string) string, column int, rows ...string) {
	term.t.Helper()
	want := fmt.Sprintf("%s|%d", strings.Join(rows, "\n"), column)
	late := time.After(patience)
	for {
		term.mu.Lock()
		got, problem, changed := general(term.screen.String()), term.screen.problem, term.changed
		term.mu.Unlock()
		require.Empty(term.t, problem)
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

// Paste pastes text as a terminal does.
func (term *Terminal) Paste(text string) {
	term.t.Helper()
	term.await("bracketed paste is not on", func(s *screen) bool { return s.paste })
	term.Type("\x1b[200~" + text + "\x1b[201~")
}

func (term *Terminal) await(otherwise string, is func(*screen) bool) {
	term.t.Helper()
	late := time.After(patience)
	for {
		term.mu.Lock()
		done, changed := is(term.screen), term.changed
		term.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-late:
			require.Fail(term.t, otherwise)
		}
	}
}

// Settings are those of the terminal, which a program should leave as they were.
func (term *Terminal) Settings() unix.Termios {
	term.t.Helper()
	settings, err := unix.IoctlGetTermios(int(term.line.Fd()), unix.TCGETS)
	require.NoError(term.t, err)
	return *settings
}

// Exit waits for the end of the program, requires that the terminal is as it was before,
// and returns the status as a shell would.
func (term *Terminal) Exit() int {
	term.t.Helper()
	ended := make(chan struct{})
	go func() {
		_ = term.command.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(patience):
		require.Fail(term.t, "the program did not end", "%s", term.screen)
	}
	require.Equal(term.t, term.before, term.Settings())
	term.await("bracketed paste is still on", func(s *screen) bool { return !s.paste })
	status := term.command.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

func (term *Terminal) show() {
	for buf := make([]byte, 4096); ; {
		n, err := term.keyboard.Read(buf)
		if err != nil {
			return
		}
		term.mu.Lock()
		term.screen.write(buf[:n])
		close(term.changed)
		term.changed = make(chan struct{})
		term.mu.Unlock()
	}
}
