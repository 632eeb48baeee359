package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/client"
	"github.com/go-socketserver/socketserver/cmd/socketserver/terminal"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/handlers/chat/room"
	"github.com/go-socketserver/socketserver/internal/regular"
)

// Exit statuses of connect, besides exitUsage.
const (
	exitClosed    = 1 // by the peer, in mid-conversation
	exitNoConnect = 3
	exitTimeout   = 4
)

type connectFlags struct {
	client.Settings
	host, port     string
	transcript     string
	ca, serverName string
	insecure       bool

	certificate, key string // of the client
}

func newConnect() *cobra.Command {
	var f connectFlags
	c := &cobra.Command{
		Use:   "connect [ADDRESS]",
		Short: "Hold a conversation with a server",
		Long: `Hold a conversation with a server.

ADDRESS is tcp://host:port, tls://host:port, ws://host:port/path, wss://host:port/path, udp://host:port, unix:///path,
unixpacket:///path, unixgram:///path or vsock://CID:port. Without one it is tcp, to --host and --port. All addresses of a name are
tried, one after the other; datagrams go to the first one.

On a terminal lines are edited as in a shell, with the arrows and history. Tab completes words
that were typed or shown in this conversation, and the commands of a chat room after a slash.
Output appears above the line being typed; after a pause it begins a new line. ^D
ends the input, ^C the conversation. Control bytes from the server are shown as escapes.
On a pipe bytes pass unchanged.

Modes:
  duplex  both directions at once; at the end of the input connect half-closes the connection
          and drains it
  ask     a line, its answer, the next line
  each    the same, over a new connection for each line
  once    the whole input is one message

An answer is one read; later output is printed, too. At the end of the input ask and each
half-close the connection and end when the server does. If it does not, they wait half a
second for the rest of an answer, or a tenth of a second after a complete line.

A datagram is a line, or with --mode once the whole input, and its answer is a datagram. The
conversation ends when there are as many answers as datagrams; for a server that never
answers, such as sink, use --timeout.

Exit status: 0 done, 1 closed by the peer in mid-conversation, 2 wrong usage, 3 could not
connect, 4 no answer in time.`,
		Example: `  socketserver connect                              # localhost:21567
  socketserver connect --mode ask --framing chunk tcp://localhost:50006
  echo hello | socketserver connect --mode once udp://localhost:21567`,
		Args: oneAddress,
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args) },
	}
	flags := c.Flags()
	flags.StringVar(&f.host, "host", "localhost", "host to connect to by tcp, in place of ADDRESS")
	flags.StringVar(&f.port, "port", "21567", "port to connect to by tcp, in place of ADDRESS")
	flags.StringVar(&f.Mode, "mode", client.Duplex, "duplex, ask, each or once")
	flags.StringVar(&f.Framing, "framing", client.Line, "line: send the newline of a line; chunk: do not, and send nothing for an empty one")
	flags.BoolVar(&f.CRLF, "crlf", false, "end lines with carriage return and newline")
	flags.DurationVar(&f.Timeout, "timeout", 0, "bound for connecting, and for each wait for an answer (default: 10s for connecting and datagrams, else none)")
	flags.StringVar(&f.transcript, "transcript", "", "file to append to what is sent and received, with times")
	flags.StringVar(&f.ca, "ca", "", "tls: PEM file of the authorities to trust, in place of the system's")
	flags.StringVar(&f.serverName, "server-name", "", "tls: name that the certificate must be for, in place of the host's")
	flags.StringVar(&f.certificate, "certificate", "", "tls: PEM file of the certificate to show to the server, with those between it and its authority")
	flags.StringVar(&f.key, "key", "", "tls: PEM file of its key (default: that of the certificate)")
	flags.BoolVar(&f.insecure, "insecure", false, "tls: do not verify the server")
	return c
}

func (f *connectFlags) run(c *cobra.Command, args []string) (err error) {
	if err := f.check(c, args); err != nil {
		return err
	}
	if f.transcript != "" {
		if f.Transcript, err = client.OpenTranscript(f.transcript); err != nil {
			return statusError{exitUsage, fmt.Errorf("socketserver: %w", err)}
		}
	}
	if f.insecure {
		fmt.Fprintln(c.ErrOrStderr(), "socketserver: warning: --insecure: anyone on the network path can read and change this conversation")
	}
	err = f.converse(c.Context(), c.InOrStdin(), c.OutOrStdout())
	return connectStatus(errors.Join(err, f.Transcript.Close()))
}

func connectStatus(err error) error {
	if err == nil {
		return nil
	}
	code := exitClosed // as of any other failure
	var unconnected *client.ConnectError
	switch {
	case errors.As(err, &unconnected):
		code = exitNoConnect
	case errors.Is(err, client.ErrTimeout):
		code = exitTimeout
	}
	return statusError{code, fmt.Errorf("socketserver: %w", err)}
}

// check returns the errors of the command line and sets the address.
func (f *connectFlags) check(c *cobra.Command, args []string) (err error) {
	changed := c.Flags().Changed
	url := "tcp://" + net.JoinHostPort(strings.Trim(f.host, "[]"), f.port)
	if len(args) > 0 {
		if changed("host") || changed("port") {
			return usage("ADDRESS and --host, --port exclude each other; leave one of them out")
		}
		url = args[0]
	}
	if f.Address, err = client.ParseAddress(url); err != nil {
		return err
	}
	switch {
	case !slices.Contains(client.Modes, f.Mode):
		return usage("--mode %q: there are %s", f.Mode, strings.Join(client.Modes, ", "))
	case !slices.Contains(client.Framings, f.Framing):
		return usage("--framing %q: there are %s", f.Framing, strings.Join(client.Framings, ", "))
	case f.CRLF && f.Framing == client.Chunk:
		return usage("--crlf ends lines, and --framing chunk sends no ends; leave one of them out")
	case changed("timeout") && f.Timeout <= 0:
		return usage("--timeout %s: write a duration above 0, such as 10s, or leave it out", f.Timeout)
	}
	return f.checkTLS()
}

func (f *connectFlags) checkTLS() error {
	if !f.Address.IsSecure() {
		if f.ca != "" || f.serverName != "" || f.certificate != "" || f.key != "" || f.insecure {
			return usage("--ca, --server-name, --certificate, --key and --insecure belong to tls:// and wss://; write the address as tls://host:port")
		}
		return nil
	}
	f.TLS = &tls.Config{ServerName: f.serverName, InsecureSkipVerify: f.insecure}
	switch {
	case f.certificate != "":
		own, err := layer.Pair{Certificate: f.certificate, Key: cmp.Or(f.key, f.certificate)}.Load()
		if err != nil {
			return usage("--certificate and --key: %s", strings.ReplaceAll(err.Error(), "\n", ", and "))
		}
		f.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil } // whoever the server trusts: its log has the reason
	case f.key != "":
		return usage("--key is that of a certificate; name its file with --certificate")
	}
	if f.ca == "" {
		return nil
	}
	const longest = 1 << 20
	text, err := regular.ReadInput(f.ca, longest)
	if err != nil {
		return usage("--ca: %w; name a PEM file", err)
	}
	f.TLS.RootCAs = x509.NewCertPool()
	if !f.TLS.RootCAs.AppendCertsFromPEM(text) {
		return usage("--ca %s: there is no certificate in it; name a PEM file", f.ca)
	}
	return nil
}

// converse runs the conversation at a terminal or between pipes. A message that is the whole
// input is not edited.
func (f *connectFlags) converse(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	f.Quit = []string{"/quit", "quit"} // of rooms, and of the handler timestamp
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d, err := openDesk(stdin, stdout, f.Mode != client.Once, terminal.Settings{Prompt: "> ", Words: room.Commands(), Interrupt: cancel})
	if err != nil {
		return err
	}
	defer d.close() // in a panic
	return errors.Join(d.run(ctx, f.Settings), d.close())
}
