package operator

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers/chat/client"
	"github.com/go-socketserver/socketserver/handlers/framing"
)

// maxConsoles is the maximum number of consoles of one server.
const maxConsoles = 16

// Keep gives s a socket at path that outlives s, and perhaps this process; nil: s opens its own one. The
// caller calls release when s has closed. It is set at the start of main.
var Keep func(path string, s *framework.BaseServer) (release func(), err error)

// open opens the operator's socket, to which consoles connect. It is a server of its own: a
// console sends lines of the operator, and receives text for a person to read.
func (q *queue) open(server string, log hclog.Logger) error {
	q.name = server
	path, err := socketPath(q.options.Socket, server)
	if err != nil {
		return fmt.Errorf("operator's socket: %w", err)
	}
	socket := framework.NewUnixStreamServer(path, &framework.HandlerClass{
		New: func() framework.Handler { return &console{queue: q} },
	})
	socket.Name, socket.Strategy = server, &framework.Threading{}
	socket.Log = log
	socket.Limits = &framework.Limits{
		Connections: maxConsoles, Refuse: true, Banner: fmt.Sprintf("-- this server has %d consoles, and no room for more\n", maxConsoles),
	}
	socket.VerifyRequest = func(r *framework.Request) bool { return sameUser(r.Conn()) }
	if Keep != nil {
		if q.release, err = Keep(path, &socket.BaseServer); err != nil {
			return fmt.Errorf("operator's socket: %w", err)
		}
	}
	if err := socket.Listen(); err != nil {
		q.release()
		return fmt.Errorf("operator's socket: %w", err)
	}
	q.socket = &socket.BaseServer
	log.Info("open for its operator", "socket", path)
	go func() { _ = socket.ServeForever() }()
	return nil
}

// check looks at the option of the socket's path. Where that is empty open makes the directory.
func (q *queue) check() error {
	path := q.options.Socket
	if path == "" {
		return nil
	}
	if _, err := socketPath(path, ""); err != nil {
		return fmt.Errorf("operator's socket: %w", err)
	}
	if err := framework.CheckSocket("unix", path, framework.SocketOptions{}); err != nil {
		return fmt.Errorf("operator's socket: %w", err)
	}
	return nil
}

func (q *queue) close() error {
	if q.socket == nil {
		return nil
	}
	defer q.release()
	return q.socket.Close()
}

// A console serves an operator's console.
type console struct {
	framework.StreamRequestHandler
	queue *queue
}

func (h *console) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	q := h.queue
	c := client.New(h.Request, rfile, wfile, &client.Options{Queue: q.options.Queue, Disconnect: q.options.Disconnect})
	defer c.Close()
	q.attach(c.Member)
	defer q.detach(c.Member)
	lines := framing.NewReader(framing.Line, h.Request, rfile)
	for {
		line, err := lines.Next()
		switch why := c.CutOff(); {
		case why != nil:
			return why
		case errors.Is(err, framing.ErrTooLong):
			q.hub.Send(c.Member, fmt.Appendf(nil, "-- a line has at most %d bytes; this one was not sent\n", framing.MaxLine))
			return nil
		case err != nil:
			return err
		}
		q.send(c.Member, string(q.options.Form().Append(nil, line.Data)))
	}
}
