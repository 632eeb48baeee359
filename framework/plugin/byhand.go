package plugin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/mattn/go-isatty"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/internal/options"
)

// byHand is a plugin that no server has started.
type byHand struct {
	constructor framework.Constructor
	name        string
	options     map[string]any // text or JSON, by name
	listen      string         // the URL of an address; empty: standard input and output are the client
	datagram    bool
	describe    bool
	log         hclog.Logger
}

// run does what the command line asks for, and returns the exit status.
func (b *byHand) run(args []string) int {
	flags := flag.NewFlagSet(b.name, flag.ContinueOnError)
	flags.Func("set", "option, as `key=value`; repeatable", b.set)
	flags.StringVar(&b.listen, "listen", "", "serve this `address`, as tcp://localhost:9000, in place of standard input and output")
	flags.BoolVar(&b.datagram, "datagram", false, "standard input is one datagram")
	flags.BoolVar(&b.describe, "describe", false, "print options, networks and state as JSON")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(os.Stderr, "%s: %q is one argument too many\n", b.name, flags.Arg(0))
		return 2
	}
	if err := b.do(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", b.name, err)
		return 1
	}
	return 0
}

// set reads a value as the command line of a server does: as JSON where the option takes it, and
// as text otherwise.
func (b *byHand) set(pair string) error {
	name, value, ok := strings.Cut(pair, "=")
	if _, again := b.options[name]; again {
		return errors.New("the option is set twice")
	}
	if !ok || name == "" {
		return errors.New("write it as key=value")
	}
	b.options[name] = value
	isText := slices.ContainsFunc(b.constructor.Options(), func(o framework.Option) bool {
		return o.Name == name && (o.Type == "string" || o.Type == options.Path)
	})
	if json.Valid([]byte(value)) && (!isText || strings.HasPrefix(value, `"`)) {
		b.options[name] = json.RawMessage(value)
	}
	return nil
}

func (b *byHand) do() error {
	given, err := json.Marshal(b.options)
	if err != nil {
		return err
	}
	class, err := b.constructor.Class(given)
	if err != nil {
		return err
	}
	// What the handler prints is no answer.
	out := os.Stdout
	os.Stdout = os.Stderr
	switch {
	case b.describe:
		return b.print(out, class)
	case b.listen != "":
		return b.serve(class)
	}
	return b.once(class, out)
}

// print prints what plugin describe prints of a plugin.
func (b *byHand) print(w io.Writer, class *framework.HandlerClass) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Name     string             `json:"name"`
		Networks []string           `json:"networks"`
		Stateful string             `json:"stateful,omitempty"`
		Options  []framework.Option `json:"options"`
	}{b.name, class.Serves(), class.Stateful, append([]framework.Option{}, b.constructor.Options()...)})
}

// networks are those of connections, and then those of datagrams.
var networks = []string{"tcp", "unix", "udp", "unixgram"}

// serve serves an address until a signal comes.
func (b *byHand) serve(class *framework.HandlerClass) error {
	network, address, _ := strings.Cut(b.listen, "://")
	if !slices.Contains(networks, network) {
		return fmt.Errorf("--listen %s: write it as in tcp://localhost:9000, udp://localhost:9000, unix:///run/server.sock or unixgram:///run/server.sock", b.listen)
	}
	socket, err := framework.OpenSocket(network, address, framework.SocketOptions{})
	if err != nil {
		return err
	}
	defer socket.Close()
	s := &framework.BaseServer{Name: b.name, Log: b.log, Class: class, Strategy: &framework.Threading{}, Transport: socket.Transport()}
	if err := s.Listen(); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s serves %s://%s; ^C ends it\n", b.name, network, s.Addr())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer context.AfterFunc(ctx, func() {
		stop() // a second signal ends this process at once
		s.Stop()
	})()
	if err := s.ServeForever(); !errors.Is(err, framework.ErrServerClosed) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.Shutdown(ctx)
}

// once serves standard input and out, once. The error is that of the handler.
func (b *byHand) once(class *framework.HandlerClass, out *os.File) error {
	candidates := networks
	if b.datagram {
		candidates = networks[2:]
	}
	serves := func(network string) bool { return slices.Contains(class.Serves(), network) }
	at := slices.IndexFunc(candidates, serves)
	if at < 0 {
		return fmt.Errorf("the handler serves %s and no datagrams; leave out --datagram", strings.Join(class.Serves(), ", "))
	}
	if isatty.IsTerminal(os.Stdin.Fd()) {
		fmt.Fprintf(os.Stderr, "%[1]s is a plugin: what you type is what a client sends, and ^D is its end. To serve clients, name it in servers.hcl: plugin %[1]q {}, or use --listen tcp://localhost:9000\n", b.name)
	}
	var failed error
	s := &framework.BaseServer{
		Name: b.name, Log: b.log, Class: class, Transport: &oneRequest{network: candidates[at], out: out},
		HandleError: func(_ *framework.Request, err error) { failed = err },
	}
	err := s.HandleRequest()
	ctx, cancel := context.WithTimeout(context.Background(), grace) // for what the class holds
	defer cancel()
	err = cmp.Or(failed, err, s.Shutdown(ctx))
	if panicked := (*framework.PanicError)(nil); errors.As(err, &panicked) {
		return fmt.Errorf("%w\n%s", err, panicked.Stack)
	}
	return err
}

// A oneRequest is the transport of the request that standard input and output are.
type oneRequest struct {
	network string
	out     *os.File
}

func (t *oneRequest) Network() string           { return t.network }
func (*oneRequest) Open() error                 { return nil }
func (*oneRequest) Addr() net.Addr              { return standard{} }
func (*oneRequest) SetDeadline(time.Time) error { return nil }
func (*oneRequest) Close() error                { return nil }

func (t *oneRequest) GetRequest() (*framework.Request, error) {
	if t.network == "tcp" || t.network == "unix" {
		return framework.NewStreamRequest(t.network, &standardConn{Reader: os.Stdin, Writer: t.out}), nil
	}
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", net.ErrClosed, err) // or it would be tried again
	}
	return framework.NewDatagramRequest(t.network, data, standard{}, standard{}, func(answer []byte) error {
		_, err := t.out.Write(answer)
		return err
	}), nil
}

// standard is the address of both ends.
type standard struct{}

func (standard) Network() string { return "stdio" }
func (standard) String() string  { return "stdio" }

// A standardConn is standard input and output as a connection without deadlines. Closing it leaves
// them open: the process ends.
type standardConn struct {
	io.Reader
	io.Writer
}

func (*standardConn) Close() error                     { return nil }
func (*standardConn) LocalAddr() net.Addr              { return standard{} }
func (*standardConn) RemoteAddr() net.Addr             { return standard{} }
func (*standardConn) SetDeadline(time.Time) error      { return nil }
func (*standardConn) SetReadDeadline(time.Time) error  { return nil }
func (*standardConn) SetWriteDeadline(time.Time) error { return nil }

// startedByHand returns the exit status of a program that no server has started.
func startedByHand(c framework.Constructor) int {
	name := filepath.Base(os.Args[0])
	b := &byHand{constructor: c, name: name, options: map[string]any{}, log: hclog.New(&hclog.LoggerOptions{Name: name, Output: os.Stderr})}
	return b.run(os.Args[1:])
}
