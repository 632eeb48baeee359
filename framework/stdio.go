package framework

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/logline"
	"github.com/go-socketserver/socketserver/framework/internal/process"
	"github.com/go-socketserver/socketserver/framework/internal/stdio"
)

// Stdio is an [Executor] that starts a program for each request, as inetd does. Descriptors 0 and 1
// of a connection's program are the connection, which blocks; a datagram's program reads it from 0,
// and what it prints is the answer. Descriptor 2 is the log. The program leads a process group, which
// ends with it, and dies with this process. It needs Linux.
//
// Exit status 0 is fine, and so is every status when the client has left; else the error has the
// last line of descriptor 2. Timeouts.Idle counts the bytes of the connection, whether or not the
// program reads; Read and Write bound its calls, as long as it leaves the connection blocking. When
// the server stops the program reads the end of its input; SIGTERM follows after half of
// Timeouts.Drain, at most two seconds.
type Stdio struct {
	Path         string       // of the executable, which Class opens; a script is opened at each start
	Args         []string     // Args[0] is the name of the program
	Env          []string     // NAME=VALUE, in addition to what children get
	Directory    string       // that the program runs in; empty: this process's
	Restrictions Restrictions // of each process
	Sandbox      *Sandbox     // likewise; nil: it may use all
	Fields       []any        // of the log lines, pairs of name and value

	image   *process.Image
	env     []string
	release func() // of what starts programs
	lines   logline.Budget
	closed  sync.Once
}

// Class opens the executable and returns a class whose requests p executes.
func (p *Stdio) Class() (*HandlerClass, error) {
	if p.Directory != "" {
		if _, err := os.Stat(p.Directory); err != nil {
			return nil, fmt.Errorf("open directory to run in: %w", err)
		}
	}
	path, err := filepath.Abs(p.Path) // as the program is started in another directory
	if err != nil {
		return nil, err
	}
	p.Path = path
	if p.image, err = process.Pin(p.Path); err != nil {
		return nil, err
	}
	if p.release, err = process.KeepSpawner(p.command()); err != nil {
		return nil, errors.Join(err, p.image.Close())
	}
	p.env = slices.Concat(process.Environment(), p.Env)
	return &HandlerClass{Executor: p, Isolates: true, Close: p.close}, nil
}

func (p *Stdio) close() (err error) {
	p.closed.Do(func() {
		p.release()
		p.lines.Flush()
		err = p.image.Close()
	})
	return err
}

// command returns what is started for each request, without its environment.
func (p *Stdio) command() process.Command {
	return process.Command{
		Image: p.image, Args: p.Args, Directory: p.Directory,
		Restrictions: process.Restrictions(p.Restrictions), Sandbox: (*process.Sandbox)(p.Sandbox),
	}
}

// Execute implements [Executor].
func (p *Stdio) Execute(r *Request) error {
	s := r.server
	if err := s.wrap(r); err != nil {
		return err
	}
	run := &stdio.Run{
		Command:  p.command(),
		Timeouts: s.timeouts().ofStream(), Stop: r.Context(), Log: p.lines.NewRelay(r.Log().With(p.Fields...)),
		Killable: func(pid int, kill func()) { s.killable(r, pid, kill) },
	}
	run.Command.Env = process.Unique(slices.Concat(p.env, r.Environment()))
	if r.conn == nil {
		answer, err := run.Datagram(r.packet.Data())
		if err != nil || len(answer) == 0 {
			return err
		}
		r.leave(s)
		return r.packet.Send(answer)
	}
	socket, ok := r.conn.(syscall.Conn)
	if !ok || r.conn != r.accepted {
		return run.Relay(r.conn)
	}
	err := run.Serve(socket)
	if r.traced != nil {
		r.traced.in, r.traced.out = run.In, run.Out
	}
	return err
}

// Environment returns what a program that serves r has in its environment: the names of CGI and systemd,
// those of UCSPI and, where r has passed TLS, those of mod_ssl.
func (r *Request) Environment() []string {
	protocol := "UNIX"
	switch r.ClientAddress.(type) {
	case *net.TCPAddr:
		protocol = "TCP"
	case *net.UDPAddr:
		protocol = "UDP"
	}
	remote, remotePort := splitAddress(r.ClientAddress)
	local, localPort := splitAddress(r.LocalAddress)
	return append(r.TLS.environment(),
		"PROTO="+protocol, "SERVER="+r.Server, "REMOTE_ADDR="+remote, "REMOTE_PORT="+remotePort,
		protocol+"REMOTEIP="+remote, protocol+"REMOTEPORT="+remotePort,
		protocol+"LOCALIP="+local, protocol+"LOCALPORT="+localPort,
	)
}

// splitAddress returns the host and port of an address, or all of it where it has no port.
func splitAddress(a net.Addr) (host, port string) {
	text := conn.AddressText(a)
	if host, port, err := net.SplitHostPort(text); err == nil {
		return host, port
	}
	if text == "@" { // a Unix socket without a name
		text = ""
	}
	return text, ""
}
