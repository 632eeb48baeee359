package framework_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework"
)

// The test binary is its own worker: what runs in a child is one of these.
var constructors = []framework.Constructor{echo, act, demanding, stateful, chunks, local}

// roleVariable makes the test binary a server process of its own, for tests that kill
// or starve one.
const roleVariable = "FRAMEWORK_TEST_ROLE"

// roles are what such a process can be, and verbs are of act, both by name; they are those
// that need Linux.
var (
	roles = map[string]func(){}
	verbs = map[string]func(wfile io.Writer, number int) error{}
)

func TestMain(m *testing.M) {
	framework.Build = func() string { return "this" + os.Getenv("BUILD_OF_TEST") }
	framework.ServeWorker(constructors...)
	if role, ok := os.LookupEnv(roleVariable); ok {
		roles[role]()
		os.Exit(0)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children would sleep a second each
	hclog.SetDefault(hclog.NewNullLogger())  // tests that look at the log bring their own
	goleak.VerifyTestMain(m)
}

// echo answers with one line.
var echo = framework.Func(func(rfile *bufio.Reader, wfile io.Writer) error {
	line, err := rfile.ReadString('\n')
	if err != nil {
		return err
	}
	_, err = io.WriteString(wfile, line)
	return err
})

// chunks answers each read with a write.
var chunks = framework.Func(func(rfile *bufio.Reader, wfile io.Writer) error {
	for buf := make([]byte, 16); ; {
		n, err := rfile.Read(buf)
		if err != nil {
			return err
		}
		if _, err := wfile.Write(buf[:n]); err != nil {
			return err
		}
	}
})

// demanding can only be made where DEMANDED is set, which a child does not inherit.
var demanding = framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
	if os.Getenv("DEMANDED") == "" {
		return nil, errors.New("DEMANDED is not set")
	}
	return &framework.HandlerClass{New: func() framework.Handler { return &actor{} }}, nil
})

// local can be opened in one time zone alone.
var local = framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
	return &framework.HandlerClass{New: func() framework.Handler { return &actor{} }, Check: func() error {
		if zone := os.Getenv("TZ"); zone != "here" {
			return fmt.Errorf("the zone is %s", zone)
		}
		return nil
	}}, nil
})

// act does what the first line of a request says.
var act = framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
	return &framework.HandlerClass{New: func() framework.Handler { return &actor{} }}, nil
})

type actor struct{ framework.BaseRequestHandler }

func (h *actor) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	line, err := rfile.ReadString('\n')
	if err != nil {
		return err
	}
	verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	number, _ := strconv.Atoi(rest)
	switch verb {
	case "echo":
		_, err = fmt.Fprintln(wfile, rest)
	case "silent":
	case "error":
		err = errors.New(rest)
	case "panic":
		panic(rest)
	case "goexit":
		runtime.Goexit()
	case "exit":
		os.Exit(number)
	case "overflow":
		debug.SetMaxStack(64 << 10)
		_, err = fmt.Fprintln(wfile, overflow(1))
	case "pid":
		_, err = fmt.Fprintln(wfile, os.Getpid())
	case "descriptors":
		_, err = fmt.Fprintln(wfile, strings.Join(descriptors("self"), "\n"))
	case "environment":
		_, err = fmt.Fprintln(wfile, strings.Join(os.Environ(), "\n"))
	case "print":
		fmt.Fprintln(os.Stderr, rest)
	case "hold": // until the client says something or ends
		if _, err = fmt.Fprintln(wfile, "holding"); err == nil {
			line, err = rfile.ReadString('\n')
			fmt.Fprintln(wfile, "released", strings.TrimSpace(line))
		}
	case "wait": // until the server stops
		if _, err = fmt.Fprintln(wfile, "waiting"); err == nil {
			<-h.Context().Done()
			_, err = fmt.Fprintln(wfile, "cancelled")
		}
	case "context": // until the server stops or the client says something
		said := make(chan error, 1)
		if _, err = fmt.Fprintln(wfile, "waiting"); err == nil {
			go func() { _, err := rfile.ReadString('\n'); said <- err }()
			select {
			case err = <-said:
				fmt.Fprintln(wfile, "went")
			case <-h.Context().Done():
				fmt.Fprintln(wfile, "cancelled")
			}
		}
	case "client":
		_, err = fmt.Fprintln(wfile, h.ClientAddress)
	case "cat":
		_, err = io.Copy(wfile, rfile)
	case "compute": // until the server stops, and nothing else
		ctx := h.Context()
		if _, err = fmt.Fprintln(wfile, "computing"); err == nil {
			for ctx.Err() == nil {
			}
			_, err = fmt.Fprintln(wfile, "cancelled")
		}
	case "stuck": // as long as its process lives
		_, _ = fmt.Fprintln(wfile, "stuck")
		select {}
	case "stop":
		h.StopServer()
		_, err = fmt.Fprintln(wfile, "stopping")
	case "flood":
		_, err = io.WriteString(wfile, strings.Repeat("x", number))
	case "drip": // whatever comes of it
		for range number {
			_, _ = io.WriteString(wfile, "x")
		}
	case "close": // what is left to read then
		h.CloseRead()
		left, failed := io.ReadAll(rfile)
		_, err = fmt.Fprintln(wfile, len(left), failed)
	case "kill", "files", "linger", "gate", "leave":
		err = verbs[verb](wfile, number)
	default:
		err = fmt.Errorf("no such verb: %q", verb)
	}
	return err
}

func overflow(n int) int {
	if n == 0 {
		return 0
	}
	return overflow(n+1) + n
}

// descriptors is what the descriptors of a process point at.
func descriptors(pid string) []string {
	entries, _ := os.ReadDir("/proc/" + pid + "/fd")
	var all []string
	for _, e := range entries {
		if target, err := os.Readlink("/proc/" + pid + "/fd/" + e.Name()); err == nil {
			all = append(all, e.Name()+" "+target)
		}
	}
	return all
}
