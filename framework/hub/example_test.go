package hub_test

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/hub"
)

// A billboard tells every client what any of them says.
type billboard struct {
	framework.StreamRequestHandler
	hub *hub.Hub // of the class, and so of all its clients
}

func (h *billboard) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	m := hub.NewMember(h.Request, wfile)
	defer m.Close()
	h.hub.Join(m)
	defer h.hub.Leave(m)
	m.Send([]byte("welcome\n"))
	for {
		line, err := rfile.ReadBytes('\n')
		if err != nil {
			return err
		}
		h.hub.Broadcast(nil, line) // with m in place of nil, to everybody else
	}
}

// A handler whose clients hear each other.
func ExampleHub() {
	var all hub.Hub
	s := framework.NewTCPServer("127.0.0.1:0", &framework.HandlerClass{
		New:      func() framework.Handler { return &billboard{hub: &all} },
		Stateful: "its clients",
	})
	s.Strategy = &framework.Threading{}
	if err := s.Listen(); err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	go s.ServeForever()

	var clients []net.Conn
	var heard []*bufio.Reader
	for range 2 {
		conn, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		defer conn.Close()
		lines := bufio.NewReader(conn)
		lines.ReadString('\n') // welcome: from here on it hears everybody
		clients, heard = append(clients, conn), append(heard, lines)
	}
	fmt.Fprintln(clients[0], "hello")
	for _, lines := range heard {
		line, _ := lines.ReadString('\n')
		fmt.Print(line)
	}
	// Output:
	// hello
	// hello
}
