package framework_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/framework"
)

// A class of handlers with one option.
var greet = framework.Define(struct {
	Greeting string `json:"greeting" doc:"said to every client"`
}{"hello"}, func(o struct {
	Greeting string `json:"greeting" doc:"said to every client"`
},
) (*framework.HandlerClass, error) {
	return &framework.HandlerClass{New: func() framework.Handler { return &greeter{greeting: o.Greeting} }}, nil
})

type greeter struct {
	framework.StreamRequestHandler
	greeting string
}

func (h *greeter) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	name, err := rfile.ReadString('\n')
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(wfile, "%s, %s\n", h.greeting, strings.TrimSpace(name))
	return err
}

// talk is a client: it sends a line and prints one.
func talk(network, address, line string) {
	conn, err := net.Dial(network, address)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, line)
	answer, _ := bufio.NewReader(conn).ReadString('\n')
	fmt.Print(answer)
}

// A server of TCP that serves one client after the other.
func Example() {
	class, err := greet.Class([]byte(`{"greeting": "good morning"}`))
	if err != nil {
		log.Fatal(err)
	}
	s := framework.NewTCPServer("127.0.0.1:0", class)
	if err := s.Listen(); err != nil {
		log.Fatal(err)
	}
	go s.ServeForever()
	talk("tcp", s.Addr().String(), "Ada")
	talk("tcp", s.Addr().String(), "Grace")
	s.Shutdown(context.Background())
	// Output:
	// good morning, Ada
	// good morning, Grace
}

// All clients at once, but not more than a thousand of them, none of whom may be silent
// for longer than a minute.
func ExampleThreading() {
	class, err := greet.Class(nil)
	if err != nil {
		log.Fatal(err)
	}
	s := framework.NewTCPServer("127.0.0.1:0", class)
	s.Strategy = &framework.Threading{}
	s.Limits = &framework.Limits{Connections: 1000}
	s.Timeouts.Idle = time.Minute
	if err := s.Listen(); err != nil {
		log.Fatal(err)
	}
	go s.ServeForever()
	talk("tcp", s.Addr().String(), "Ada")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		log.Print(err) // who had not finished was cut off
	}
	// Output: hello, Ada
}

// Each request in a process of its own, two of which are always ready.
func ExampleForking() {
	framework.ServeWorker(greet) // the first line of main: does not return in a child
	class, err := greet.Class(nil)
	if err != nil {
		log.Fatal(err)
	}
	s := framework.NewTCPServer("localhost:9000", class)
	s.Strategy = &framework.Forking{Spares: 2}
	log.Fatal(s.ServeForever())
}

// A handler without options is a function. On a datagram rfile holds its bytes, and what
// is written is the answer.
func ExampleFunc() {
	upper := framework.Func(func(rfile *bufio.Reader, wfile io.Writer) error {
		text, err := io.ReadAll(rfile)
		if err != nil {
			return err
		}
		_, err = io.WriteString(wfile, strings.ToUpper(string(text)))
		return err
	})
	class, err := upper.Class(nil)
	if err != nil {
		log.Fatal(err)
	}
	s := framework.NewUDPServer("127.0.0.1:0", class)
	if err := s.Listen(); err != nil {
		log.Fatal(err)
	}
	go s.ServeForever()
	talk("udp", s.Addr().String(), "loud and clear")
	s.Close()
	// Output: LOUD AND CLEAR
}
