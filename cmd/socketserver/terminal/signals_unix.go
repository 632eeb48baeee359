//go:build unix

package terminal

import (
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/charmbracelet/x/term"
)

const supported = true

// watch handles changes of the window, and signals that end the program: it restores the
// terminal and raises them again. With OwnSignals those are SIGQUIT and SIGABRT alone. The function it
// returns stops watching.
func (t *Terminal) watch() func() {
	signal.Notify(t.caught, syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGTSTP, syscall.SIGQUIT, syscall.SIGABRT)
	if !t.OwnSignals {
		signal.Notify(t.caught, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	}
	go func() {
		for s := range t.caught {
			t.signalled(s.(syscall.Signal))
		}
	}()
	return func() {
		signal.Stop(t.caught)
		close(t.caught)
	}
}

func (t *Terminal) signalled(s syscall.Signal) {
	switch s {
	case syscall.SIGCONT:
		t.redraw(true)
	case syscall.SIGWINCH:
		t.redraw(false)
	case syscall.SIGTSTP:
		t.suspend()
	default:
		t.Restore()
		signal.Reset(s)
		_ = syscall.Kill(os.Getpid(), s)
	}
}

// stopJob sends the signal of ^Z to the process group, as a terminal in cooked mode does.
func stopJob() { _ = syscall.Kill(0, syscall.SIGTSTP) }

// suspend restores the terminal and stops the process by SIGTTOU: package signal cannot give
// SIGTSTP its default action back. Unlike SIGSTOP it does not stop a process that no shell could
// continue: then the next key resumes.
func (t *Terminal) suspend() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		_ = t.draw("")
		_, _ = io.WriteString(t.Out, "\r\n")
		t.suspended = true
		t.Restore()
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGTTOU)
}

func (t *Terminal) resume() {
	t.suspended = false
	_, _ = term.MakeRaw(t.In.Fd())
	_, _ = io.WriteString(t.Out, pasteOn)
}
