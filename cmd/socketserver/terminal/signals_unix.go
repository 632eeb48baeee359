//go:build unix

package terminal

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/charmbracelet/x/term"
)

const supported = true

// watch handles changes of the window, and signals that end the program: it restores the
// terminal and raises them again. With OwnSignals that is SIGQUIT alone. The function it
// returns stops watching.
func (t *Terminal) watch() func() {
	signals := make(chan os.Signal, 8)
	done := make(chan struct{})
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGQUIT)
	if !t.OwnSignals {
		signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	}
	go func() {
		for {
			select {
			case s := <-signals:
				t.signalled(s.(syscall.Signal))
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

func (t *Terminal) signalled(s syscall.Signal) {
	switch s {
	case syscall.SIGCONT:
		t.redraw(true)
	case syscall.SIGWINCH:
		t.redraw(false)
	default:
		t.Restore()
		signal.Reset(s)
		_ = syscall.Kill(os.Getpid(), s)
	}
}

// suspend stops this job, as ^Z does where the terminal sees it first.
// It may go on for a moment, and for good where nobody could continue it: then the next
// key does.
func (t *Terminal) suspend() {
	t.suspended = true
	t.Restore()
	_ = syscall.Kill(0, syscall.SIGTSTP)
}

func (t *Terminal) resume() {
	t.suspended = false
	_, _ = term.MakeRaw(t.In.Fd())
}
