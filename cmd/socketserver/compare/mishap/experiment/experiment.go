// Package experiment has the handler that misbehaves on request. Only compare uses it: no
// configuration can name it.
//
// A client sends a line with a word and its argument, and the handler answers "ready" and its
// process id. It then waits for another line, so that the client knows which requests are in flight
// when the experiment begins.
package experiment

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-socketserver/socketserver/framework"
)

// Name is the name of the handler.
const Name = "experiment"

// The words that a client may send, and their answers.
const (
	Wait        = "wait"        // done
	Count       = "count"       // how many requests have counted, this one included
	Chdir       = "chdir"       // with a directory: changes to it; done
	Directory   = "directory"   // the working directory
	Setenv      = "setenv"      // with a value: sets an environment variable to it; done
	Environment = "environment" // the value of that variable, or an empty line
	Eat         = "eat"         // with a number of bytes: holds them until the client sends another line; eaten, done
	Leak        = "leak"        // with a number of bytes: holds them for ever; done
	Panic       = "panic"       // no answer, like the following
	Exit        = "exit"        // ends the process with status 3
	Fatal       = "fatal"       // makes the runtime end the process
	Hang        = "hang"        // never returns

	// Done is the answer of words without another one.
	Done = "done"
)

// variable is the environment variable that Setenv sets.
const variable = "SOCKETSERVER_EXPERIMENT"

// Constructor makes the handler. Each class has its own counter.
var Constructor = framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
	counter := &atomic.Int64{}
	return &framework.HandlerClass{New: func() framework.Handler { return &handler{counter: counter} }}, nil
})

// Serve serves one client, as a program that has the connection as its standard input and output.
func Serve(r io.Reader, w io.Writer) error {
	return (&handler{counter: &atomic.Int64{}}).Handle(bufio.NewReader(r), w)
}

type handler struct {
	framework.StreamRequestHandler
	counter *atomic.Int64
}

func (h *handler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	line, err := rfile.ReadString('\n')
	if err != nil {
		return err
	}
	word, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
	if err := pause(rfile, wfile, fmt.Sprintf("ready %d", os.Getpid())); err != nil {
		return err
	}
	answer, err := h.do(word, argument, rfile, wfile)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(wfile, answer)
	return err
}

// pause sends a line and waits for one.
func pause(rfile *bufio.Reader, wfile io.Writer, say string) error {
	if _, err := fmt.Fprintln(wfile, say); err != nil {
		return err
	}
	_, err := rfile.ReadString('\n')
	return err
}

func (h *handler) do(word, argument string, rfile *bufio.Reader, wfile io.Writer) (string, error) {
	switch word {
	case Wait:
		return Done, nil
	case Count:
		return strconv.FormatInt(h.counter.Add(1), 10), nil
	case Chdir:
		return Done, os.Chdir(argument)
	case Directory:
		return os.Getwd()
	case Setenv:
		return Done, os.Setenv(variable, argument)
	case Environment:
		return os.Getenv(variable), nil
	case Eat:
		return Done, eat(argument, rfile, wfile)
	case Leak:
		return Done, leak(argument)
	case Panic:
		panic("an experiment")
	case Exit:
		os.Exit(3)
	case Fatal:
		(&sync.Mutex{}).Unlock() // cannot be recovered
	case Hang:
		select {}
	}
	return "", fmt.Errorf("there is no experiment %q", word)
}

// leaked is what was leaked, which nothing frees.
var leaked struct {
	mu  sync.Mutex
	all [][]byte
}

func leak(argument string) error {
	held, err := hold(argument)
	if err != nil {
		return err
	}
	leaked.mu.Lock()
	defer leaked.mu.Unlock()
	leaked.all = append(leaked.all, held)
	return nil
}

// eat holds memory until the client sends a line.
func eat(argument string, rfile *bufio.Reader, wfile io.Writer) error {
	held, err := hold(argument)
	if err != nil {
		return err
	}
	err = pause(rfile, wfile, "eaten")
	runtime.KeepAlive(held)
	return err
}

// hold returns memory of that size in bytes, every page of it written.
func hold(size string) ([]byte, error) {
	n, err := strconv.Atoi(size)
	if err != nil {
		return nil, err
	}
	held := make([]byte, n)
	for at := 0; at < n; at += os.Getpagesize() {
		held[at] = 1
	}
	return held, nil
}
