package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/internal/logline"
	"github.com/go-socketserver/socketserver/framework/internal/process"
)

// A runner is one process of a plugin, as go-plugin's runner.Runner. go-plugin reads nothing of
// its output but the handshake: it panics at some lines, and waits for the end of pipes that a
// grandchild may hold.
type runner struct {
	name    string
	args    []string // without the name
	image   *process.Image
	env     []string
	dir     string   // that it runs in; empty: this process's
	three   *os.File // the process's descriptor 3
	limits  framework.Restrictions
	sandbox *framework.Sandbox
	latest  *atomic.Int64 // is set to the id of the process
	relay   *logline.Relay

	handshake  *io.PipeReader // what go-plugin reads as the standard output
	handshaken *io.PipeWriter
	found      bool // of the goroutine that reads what it prints

	done    chan struct{} // closed when the process has been reaped
	drained chan struct{} // closed when all that it printed has been logged

	mu      sync.Mutex
	process *process.Process // nil: not started
	killed  bool
	why     error // why it cannot be used
	ended   error // how it ended, if not by kill
	crashed bool
}

func newRunner(s *Settings, image *process.Image, three *os.File) *runner {
	r := &runner{
		name: cmp.Or(s.Command, s.Name), args: s.Args, image: image, three: three, limits: s.Limits, sandbox: s.Sandbox, latest: s.started, relay: logline.NewRelay(s.Log),
		done: make(chan struct{}), drained: make(chan struct{}),
	}
	r.handshake, r.handshaken = io.Pipe()
	r.relay.Before = r.find
	return r
}

// Start starts the process.
func (r *runner) Start(context.Context) error {
	output, printed, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer printed.Close()
	// One pipe for both keeps the order of lines.
	_, err = process.Start(process.Command{
		Image: r.image, Args: append([]string{r.name}, r.args...), Env: r.env, Directory: r.dir,
		Stdout: printed, Stderr: printed, Three: r.three, DieWithParent: true, Restrictions: process.Restrictions(r.limits),
		Sandbox: (*process.Sandbox)(r.sandbox), Begun: r.begun,
	})
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.process, r.why = nil, process.Explain(err)
		return errors.Join(r.why, output.Close())
	}
	go func() {
		r.relay.Copy(output)
		close(r.drained)
	}()
	go r.wait(output)
	return nil
}

// begun has the process killed that is being started.
func (r *runner) begun(p *process.Process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process = p; r.killed {
		p.Kill()
	}
	r.latest.Store(int64(p.Pid))
}

// errEnded is how a process ended that was not killed and did not fail.
var errEnded = errors.New("it ended with exit status 0")

// wait reaps the process and kills what is left of its group.
func (r *runner) wait(output *os.File) {
	state, err := r.process.Wait()
	select {
	case <-r.drained:
	case <-time.After(500 * time.Millisecond): // something outside its group holds the pipe
	}
	_ = output.Close()
	_ = r.handshaken.Close()
	<-r.drained
	r.mu.Lock()
	defer r.mu.Unlock()
	r.crashed = process.Crashed(state)
	if err != nil || !r.killed || state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		if r.ended = process.Describe(state, err); r.ended == nil {
			r.ended = errEnded
		}
	}
	close(r.done)
}

// handshakeLine matches the end of a line: what was printed before may lack its newline. After the protocol comes the
// certificate of a program that wants TLS.
var handshakeLine = regexp.MustCompile(`(1\|(\d+)\|([a-z]+)\|[^|]+\|([a-z]*))(?:\|([^|]*))?(\|[^|]*)*$`)

// find passes the handshake on to go-plugin and returns the rest of the line, before it.
func (r *runner) find(line string) string {
	if r.found || !strings.Contains(line, "|") {
		return line
	}
	at := handshakeLine.FindStringSubmatchIndex(line)
	if at == nil {
		return line
	}
	r.found = true
	part := func(n int) string { return line[max(at[2*n], 0):max(at[2*n+1], 0)] }
	handshake, version, network, protocol, certificate := part(1), part(2), part(3), part(4), part(5)
	switch {
	case version != strconv.Itoa(protocolVersion):
		r.refuse(fmt.Errorf("it speaks version %s of the protocol and this server version %d; build it again with this version of socketserver", version, protocolVersion))
	case network != "unix" || protocol != "grpc":
		r.refuse(fmt.Errorf("it serves %s over %s instead of grpc over unix; write it with plugin.Serve", protocol, network))
	case certificate != "":
		r.refuse(errors.New("it wants TLS with this server; write it with plugin.Serve"))
	default: // go-plugin gets nothing that it was not asked for: it panics for a certificate
		_, _ = io.WriteString(r.handshaken, handshake+"\n")
	}
	return line[:at[0]]
}

// refuse ends a process that cannot be used.
func (r *runner) refuse(why error) {
	r.mu.Lock()
	r.why = why
	r.mu.Unlock()
	r.kill()
}

// problem returns why the process cannot be used or how it ended, or else err.
func (r *runner) problem(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.why != nil {
		return r.why
	}
	if r.ended != nil {
		err = r.ended
	}
	tail := strings.Join(r.relay.Tail(r.crashed), "; ")
	if r.ended != nil && !errors.Is(err, errEnded) && mayLackMemory(tail) {
		err = (*process.Restrictions)(&r.limits).WithMemory(err)
	}
	if tail != "" {
		const most = 400
		if len(tail) > most {
			tail = "..." + tail[len(tail)-most:]
		}
		return fmt.Errorf("%w (it printed %q)", err, tail)
	}
	return err
}

// mayLackMemory reports whether a process may have ended for that, by what it has said last: Go, Python and the loader name it, if
// there is memory for that.
func mayLackMemory(said string) bool {
	return said == "" || strings.Contains(strings.ToLower(said), "memory") || strings.Contains(said, "map segment")
}

// kill ends the process and its group, now or when it is started.
func (r *runner) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.killed = true
	if r.process != nil {
		r.process.Kill()
	}
}

// Kill is kill for go-plugin.
func (r *runner) Kill(context.Context) error {
	r.kill()
	return nil
}

// Wait waits until the process has been reaped.
func (r *runner) Wait(context.Context) error {
	<-r.done
	return nil
}

// ID returns the process id, or "" before the start.
func (r *runner) ID() string {
	if pid := r.pid(); pid != 0 {
		return strconv.Itoa(pid)
	}
	return ""
}

// pid returns the process id; 0: not started.
func (r *runner) pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil {
		return 0
	}
	return r.process.Pid
}

func (r *runner) Name() string                    { return r.name }
func (r *runner) Stdout() io.ReadCloser           { return r.handshake }
func (r *runner) Stderr() io.ReadCloser           { return io.NopCloser(strings.NewReader("")) }
func (r *runner) Diagnose(context.Context) string { return "" }

func (r *runner) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

func (r *runner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
