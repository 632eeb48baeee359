package main

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// atTerminal runs the client in a window of 40 columns, with the test as its peer.
func atTerminal(t *testing.T, args ...string) (*window, net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	c := exec.Command("socketserver", append([]string{"connect", "unix://" + filepath.Base(l.Addr().String())}, args...)...)
	c.Dir = filepath.Dir(l.Addr().String())
	term := newWindow(t, c, 40, 12)
	conn, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	term.Await(2, ">")
	return term, conn
}

// A conversation of two who type at the same time, in Chinese.
func TestTerminalConversation(t *testing.T) {
	t.Parallel()
	term, peer := atTerminal(t, "--framing", "chunk")
	term.Type("你好，世\x1b[D\x1b[C界")
	term.Await(12, "> 你好，世界")
	frameworktest.Send(t, peer, "大家好") // neither has a newline
	term.Await(12, "大家好", "> 你好，世界")
	frameworktest.Send(t, peer, "\x1b[2J\u202e\xe4\xbd")
	term.Await(12, "大家好", `\x1b[2J\u202e`, "> 你好，世界")
	frameworktest.Send(t, peer, "\xa0") // the end of a character goes where it began
	term.Await(12, "大家好", `\x1b[2J\u202e你`, "> 你好，世界")
	term.Type("\r")
	require.Equal(t, "你好，世界", receive(t, peer))
	term.Await(2, "大家好", `\x1b[2J\u202e你`, "> 你好，世界", ">")
	frameworktest.Send(t, peer, "这是一个很长的句子，窗口的一行放不下它的全部内容")
	screen := []string{
		"大家好", `\x1b[2J\u202e你`, "> 你好，世界",
		"这是一个很长的句子，窗口的一行放不下它的", "全部内容",
	}
	term.Await(2, append(screen, ">")...)
	term.Type("\x1b[A\x17再见")
	term.Await(6, append(screen, "> 再见")...)
	term.Type("\r")
	require.Equal(t, "再见", receive(t, peer))
	term.Type("\x04")
	requireEnd(t, peer)
	require.NoError(t, peer.Close())
	require.Zero(t, term.Exit())
	term.Await(0, append(screen, "> 再见", "")...)
}

// Tab knows the commands of a chat room, who has spoken, and nothing else.
func TestTerminalTab(t *testing.T) {
	t.Parallel()
	term, peer := atTerminal(t)
	term.Type("/n\t")
	term.Await(4, "/names  /nick", "> /n")
	frameworktest.Send(t, peer, "alice: hi\n欢迎guest2来到我们的聊天室!\n")
	screen := []string{"/names  /nick", "alice: hi", "欢迎guest2来到我们的聊天室!"}
	term.Await(4, append(screen, "> /n")...)
	term.Type("\x15/ms\t al\t gu\t ti\t da\t\r")
	require.Equal(t, "/msg alice guest2 ti da\n", receive(t, peer))
	term.Await(2, append(screen, "> /msg alice guest2 ti da", ">")...)
}

// A notice without a newline is a line, and so is what comes later.
func TestTerminalNotices(t *testing.T) {
	t.Parallel()
	term, peer := atTerminal(t)
	frameworktest.Send(t, peer, "请等待对方上线")
	term.Await(2, "请等待对方上线", ">")
	time.Sleep(200 * time.Millisecond) // what comes later is to come later
	frameworktest.Send(t, peer, "here I am")
	term.Await(2, "请等待对方上线", "here I am", ">")
}

// Questions are answered one after the other, also those that were typed ahead.
func TestTerminalAsk(t *testing.T) {
	t.Parallel()
	term, peer := atTerminal(t, "--mode", "ask")
	term.Type("date\ros\r")
	term.Await(2, "> date", "> os", ">")
	require.Equal(t, "date\n", receive(t, peer))
	requireSilence(t, peer)
	require.Equal(t, "os\n", frameworktest.Ask(t, peer, "[today]\n"))
	term.Await(2, "> date", "> os", "[today]", ">")
	frameworktest.Send(t, peer, "[posix]\n")
	term.Await(2, "> date", "> os", "[today]", "[posix]", ">")
	term.Type("\x04")
	requireEnd(t, peer)
	require.NoError(t, peer.Close())
	require.Zero(t, term.Exit())
}

// ^C ends it whatever it is waiting for.
func TestTerminalInterrupt(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"duplex", "ask"} {
		term, peer := atTerminal(t, "--mode", mode)
		term.Type("hello\r")
		require.Equal(t, "hello\n", receive(t, peer))
		term.Type("more\x03")
		require.Zero(t, term.Exit())
		requireEnd(t, peer)
	}
}

// A peer that does not notice the end keeps nobody at the terminal.
func TestTerminalUnnoticed(t *testing.T) {
	t.Parallel()
	term, peer := atTerminal(t)
	term.Type("\x04")
	requireEnd(t, peer) // and stays
	require.Zero(t, term.Exit())
}

func TestTerminalPeerCloses(t *testing.T) {
	t.Parallel()
	term, peer := atTerminal(t)
	term.Type("half a li")
	term.Await(11, "> half a li")
	frameworktest.Send(t, peer, "bye")
	require.NoError(t, peer.Close())
	require.Equal(t, 1, term.Exit())
	term.Await(0, "bye", "> half a li", "socketserver: unix://s has ended the con", "versation", "")
}

// Who only reads sees no control bytes either.
func TestTerminalReader(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			fmt.Fprint(conn, "\x1b[31mred")
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}()
	c := exec.Command("sh", "-c", "echo hello | socketserver connect unix://s")
	c.Dir = filepath.Dir(l.Addr().String())
	term := newWindow(t, c, 40, 5)
	term.Await(0, `\x1b[31mred`, "")
	require.Zero(t, term.Exit())
}
