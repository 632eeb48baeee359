package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A process is a socketserver that runs beside a test, with its log as JSON.
type process struct {
	*exec.Cmd
	stderr io.ReadCloser
	ended  chan struct{} // closed when it has been reaped and all that it said has been read

	mu     sync.Mutex
	events []event       // that no await has taken
	more   chan struct{} // closed when there is another one
}

// An event is a line of the log.
type event map[string]any

// start starts a command that is or becomes a socketserver, and ends it with the test.
func start(t *testing.T, dir string, command *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: command, ended: make(chan struct{}), more: make(chan struct{})}
	p.Dir = dir
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	p.stderr, err = p.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	go p.read()
	t.Cleanup(func() {
		_ = p.Process.Signal(os.Interrupt)
		select {
		case <-p.ended:
		case <-time.After(30 * time.Second):
			_ = p.Process.Kill()
			t.Error("the server did not stop")
		}
		if t.Failed() {
			t.Logf("the server said also %v", p.events)
		}
	})
	return p
}

// serveArgs starts socketserver serve and waits until it listens.
func serveArgs(t *testing.T, args ...string) (*process, []listener) {
	t.Helper()
	p := start(t, t.TempDir(), exec.Command("socketserver", append([]string{"serve"}, args...)...))
	return p, p.awaitListening(t)
}

// serveFile is serveArgs with a configuration of its own, in a directory of its own.
func serveFile(t *testing.T, text string) (*process, []listener) {
	t.Helper()
	return serveArgs(t, "-c", write(t, "servers.hcl", text))
}

// write makes a file in a new directory and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func (p *process) read() {
	lines := bufio.NewScanner(p.stderr)
	for lines.Scan() {
		e := event{}
		if json.Unmarshal(bytes.TrimSpace(lines.Bytes()), &e) != nil {
			e["@message"] = lines.Text()
		}
		p.mu.Lock()
		p.events = append(p.events, e)
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
	}
	if err := lines.Err(); err != nil {
		p.events = append(p.events, event{"@message": "the log is not read: " + err.Error()})
	}
	_ = p.Wait()
	close(p.ended)
}

// await takes the first event with a message and those fields.
func (p *process) await(t *testing.T, message string, fields ...event) event {
	t.Helper()
	wanted := event{"@message": message}
	for _, f := range fields {
		maps.Copy(wanted, f)
	}
	return p.awaitEvent(t, fmt.Sprint(wanted), func(e event) bool {
		for key, value := range wanted {
			if e[key] != value {
				return false
			}
		}
		return true
	})
}

// awaitText takes the first line with text in it, of a log that is not JSON or of what was
// printed before there is a log.
func (p *process) awaitText(t *testing.T, text string) string {
	t.Helper()
	e := p.awaitEvent(t, text, func(e event) bool { return strings.Contains(e["@message"].(string), text) })
	return e["@message"].(string)
}

func (p *process) awaitEvent(t *testing.T, what string, wanted func(event) bool) event {
	t.Helper()
	late := time.After(frameworktest.Patience)
	for ended := false; ; {
		e, more := p.take(wanted)
		if e != nil {
			return e
		}
		if ended {
			t.Fatalf("the server ended without saying %s", what)
		}
		select {
		case <-more:
		case <-p.ended:
			ended = true
		case <-late:
			t.Fatalf("the server did not say %s", what)
		}
	}
}

func (p *process) take(wanted func(event) bool) (event, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.events, wanted)
	if i < 0 {
		return nil, p.more
	}
	e := p.events[i]
	p.events = slices.Delete(p.events, i, i+1)
	return e, nil
}

// A listener is what a server says of one.
type listener struct{ server, network, address string }

// awaitListening waits until every listener has been told of.
func (p *process) awaitListening(t *testing.T) []listener {
	t.Helper()
	var all []listener
	ready := p.await(t, "ready")
	p.takeRootWarning()
	for range int(ready["listeners"].(float64)) {
		e := p.await(t, "listening")
		all = append(all, listener{e["server"].(string), e["network"].(string), e["address"].(string)})
	}
	return all
}

// takeRootWarning takes the warning that root has, as in containers, before the servers are ready.
func (p *process) takeRootWarning() {
	for e := (event{}); e != nil; { // one of each process, where others have taken over
		e, _ = p.take(func(e event) bool { return e["@message"] == "handlers run as root" })
	}
}

// signal sends a signal.
func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	require.NoError(t, p.Process.Signal(s))
}

// exit waits for the end and returns the status.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(frameworktest.Patience):
		t.Fatal("the server did not end")
	}
	return p.ProcessState.ExitCode()
}

// dial connects to l.
func dial(t *testing.T, l listener) net.Conn {
	t.Helper()
	return frameworktest.DialAddress(t, l.network, l.address)
}

func receive(t *testing.T, conn net.Conn) string {
	t.Helper()
	answer := make([]byte, 1024)
	n, err := conn.Read(answer)
	require.NoError(t, err)
	return string(answer[:n])
}

// askOnce asks over a connection of its own.
func askOnce(t *testing.T, l listener, text string) string {
	t.Helper()
	conn := dial(t, l)
	answer := frameworktest.Ask(t, conn, text)
	require.NoError(t, conn.Close())
	return answer
}

func requireEcho(t *testing.T, l listener) {
	t.Helper()
	require.Equal(t, "hello", askOnce(t, l, "hello"))
}

// requireEnd waits until the server has ended a connection.
func requireEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, conn)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded) // a reset is an end
}

// requireSilence requires that nothing comes for a while. It passes too easily on a slow
// machine, and never fails without reason.
func requireSilence(t *testing.T, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
	n, err := conn.Read(make([]byte, 1))
	require.Zero(t, n)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(frameworktest.Patience)))
}

// families is how many of IPv4 and IPv6 this machine has.
func families() int {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return 1
	}
	l.Close()
	return 2
}

// readUntil returns what was read when text has come.
func readUntil(t *testing.T, r io.Reader, text string) string {
	t.Helper()
	var all strings.Builder
	for buf := make([]byte, 1024); !strings.Contains(all.String(), text); {
		n, err := r.Read(buf)
		all.Write(buf[:n])
		require.NoError(t, err, "%s", &all)
	}
	return all.String()
}
