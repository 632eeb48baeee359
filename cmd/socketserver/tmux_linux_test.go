package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A tmux is a window of 40 columns in a terminal that knows better than this program how wide
// characters are.
type tmux struct {
	t      *testing.T
	socket string
	peer   *os.File      // what is written to it comes in from elsewhere
	output chan struct{} // has an element when the window has changed since
}

// newTmux starts typing. In control mode tmux tells of every change.
func newTmux(t *testing.T) *tmux {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("there is no tmux")
	}
	dir := t.TempDir()
	fifo := filepath.Join(dir, "peer")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	peer, err := os.OpenFile(fifo, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = peer.Close() })
	m := &tmux{t: t, socket: filepath.Join(dir, "tmux"), peer: peer, output: make(chan struct{}, 1)}
	c := m.command("-C", "-f", os.DevNull, "new-session", "-x", "40", "-y", "12",
		"TERMINAL_TEST=1 GORACE=atexit_sleep_ms=0 exec typing 3<'"+fifo+"'")
	hold, err := c.StdinPipe() // whose end would end tmux
	require.NoError(t, err)
	told, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(told); lines.Scan(); {
			select {
			case m.output <- struct{}{}:
			default:
			}
		}
	}()
	t.Cleanup(func() {
		_ = m.command("kill-server").Run()
		_ = hold.Close()
		<-ended
		_ = c.Wait()
	})
	return m
}

func (m *tmux) command(args ...string) *exec.Cmd {
	c := exec.Command("tmux", append([]string{"-u", "-S", m.socket}, args...)...)
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TMUX=")
	return c
}

func (m *tmux) say(text string) {
	m.t.Helper()
	_, err := io.WriteString(m.peer, text)
	require.NoError(m.t, err)
}

// press sends keys by their names, or text with -l before it.
func (m *tmux) press(keys ...string) {
	m.t.Helper()
	require.NoError(m.t, m.command(append([]string{"send-keys"}, keys...)...).Run())
}

// await waits until the window shows these rows, and the cursor is in a column of the last one.
func (m *tmux) await(column string, rows ...string) {
	m.t.Helper()
	want := strings.Join(rows, "\n") + "|" + column
	late := time.After(time.Minute)
	for {
		text, _ := m.command("capture-pane", "-p", ";", "display-message", "-p", "|#{cursor_x}").Output()
		screen, at, _ := strings.Cut(string(text), "|")
		got := strings.TrimRight(screen, "\n") + "|" + strings.TrimSpace(at)
		if got == want {
			return
		}
		select {
		case <-m.output:
		case <-late:
			require.Equal(m.t, want, got)
		}
	}
}

// Where the cursor is and where a row ends is as the terminal sees it, also for characters of
// two columns.
func TestTerminalTmux(t *testing.T) {
	t.Parallel()
	m := newTmux(t)
	m.await("2", ">")
	m.press("-l", "你好，世界")
	m.await("12", "> 你好，世界")
	m.say("大家好")
	m.await("12", "大家好", "> 你好，世界")
	m.say("，这是一个很长的句子，窗口的一行放不下它的a全部内容é")
	screen := []string{"大家好，这是一个很长的句子，窗口的一行放", "不下它的a全部内容é"}
	m.await("12", append(screen, "> 你好，世界")...)
	m.press("Left", "Left", "BSpace")
	m.await("6", append(screen, "> 你好世界")...)
	m.press("Enter")
	screen = append(screen, "> 你好世界", `got "你好世界"`)
	m.await("2", append(screen, ">")...)
	m.press("-l", strings.Repeat("中文", 10)) // does not fit
	m.await("38", append(screen, "> "+strings.Repeat("中文", 9))...)
}
