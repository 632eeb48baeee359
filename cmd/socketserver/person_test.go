package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A person sits at a client on pipes, whatever it is written in.
type person struct {
	look
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader

	deadline func(time.Time) error // sets that of out
}

// A look is what a client shows besides what is said: nothing, for one that is a filter.
type look struct {
	prompt string // before each line or behind it
	echoed string // format of what is said; empty: does not appear
	heard  string // format of what is heard; empty: as it comes
}

// sit starts a client, which ends with the test.
func sit(t *testing.T, command *exec.Cmd, l look) *person {
	t.Helper()
	p := &person{Cmd: command, look: l}
	var err error
	p.in, err = p.StdinPipe()
	require.NoError(t, err)
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	p.out, p.deadline = bufio.NewReader(out), out.(*os.File).SetReadDeadline
	require.NoError(t, p.Start())
	t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	})
	return p
}

// witness enters a room and hears everything from then on, in particular who comes. As a
// newcomer hears nothing there are two: one of them is greeted by the other's arrival.
func witness(t *testing.T, port string) *person {
	t.Helper()
	greeted := make(chan *person, 2)
	for range 2 {
		conn := dial(t, listener{network: "tcp", address: net.JoinHostPort("127.0.0.1", port)})
		p := &person{out: bufio.NewReader(conn), deadline: conn.SetReadDeadline}
		go func() {
			if _, err := p.out.Peek(1); err == nil {
				greeted <- p
			}
		}()
	}
	select {
	case p := <-greeted:
		p.hears(t, welcome)
		return p
	case <-time.After(frameworktest.Patience):
		require.Fail(t, "nobody was greeted")
		return nil
	}
}

// What a room says of who comes and who leaves.
const (
	welcome  = "欢迎ADDR来到我们的聊天室!"
	farewell = "ADDR离开了我们的聊天室!"
)

// says types a line.
func (p *person) says(t *testing.T, line string) {
	t.Helper()
	_, err := io.WriteString(p.in, line+"\n")
	require.NoError(t, err)
	p.sees(t, p.prompt)
	if p.echoed != "" {
		p.sees(t, formatted(p.echoed, line))
	}
}

// hears waits for an answer, of which it requires every byte but times and addresses.
func (p *person) hears(t *testing.T, answer string) {
	t.Helper()
	p.sees(t, formatted(p.heard, answer))
}

// hearsLine is hears for what has a line of its own: the newline that may end the one before is
// passed over.
func (p *person) hearsLine(t *testing.T, answer string) {
	t.Helper()
	require.NoError(t, p.deadline(time.Now().Add(frameworktest.Patience)))
	for next, err := p.out.Peek(1); err == nil && next[0] == '\n'; next, err = p.out.Peek(1) {
		_, _ = p.out.Discard(1)
	}
	p.hears(t, answer)
}

// leaves ends the input, requires that nothing else was to be heard but the end of a line, and
// returns the status.
func (p *person) leaves(t *testing.T) int {
	t.Helper()
	require.NoError(t, p.in.Close())
	p.sees(t, p.prompt)
	return p.ends(t)
}

// ends waits for the client to end by itself.
func (p *person) ends(t *testing.T) int {
	t.Helper()
	require.NoError(t, p.deadline(time.Now().Add(frameworktest.Patience)))
	rest, err := io.ReadAll(p.out)
	require.NoError(t, err)
	require.Empty(t, strings.TrimPrefix(string(rest), "\n"))
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

// sees waits until the client has printed this and nothing else.
func (p *person) sees(t *testing.T, want string) {
	t.Helper()
	require.NoError(t, p.deadline(time.Now().Add(frameworktest.Patience)))
	const longest = 64 // of times and addresses that are incomplete
	var got []byte
	for general(string(got)) != want {
		b, err := p.out.ReadByte()
		require.NoError(t, err, "%q was printed, %q was to be", got, want)
		got = append(got, b)
		require.LessOrEqual(t, len(general(string(got))), len(want)+longest, "%q was printed, %q was to be", got, want)
	}
}

func formatted(format, text string) string {
	if format == "" {
		return text
	}
	return regexp.MustCompile("%s").ReplaceAllLiteralString(format, text)
}

var address = regexp.MustCompile(`\('(127\.0\.0\.1', \d+|::1', \d+, 0, 0)\)`)

// general puts words in the place of times and of clients' addresses.
func general(text string) string { return address.ReplaceAllString(undated(text), "ADDR") }
