package framework_test

// The 27 tests of CPython 3.13's Lib/test/test_socketserver.py, each as the sub-test of
// TestSocketserver that has its name. What differs:
//
//	test_TCPServer ... test_ForkingUnixDatagramServer
//	        the twelve echo tests; fileno() == -1 becomes: the address answers no longer
//	test_sync_not_handled, test_threading_not_handled, test_forking_not_handled
//	        SystemExit has no counterpart; what ends a handler past every error here is
//	        runtime.Goexit. As there, HandleError is not called and the request is closed
//	test_tcpserver_bind_leak
//	        OverflowError becomes the error of Listen
//	test_basics
//	        wfile is an io.Writer and nothing more; that it writes to Request.Conn is kept
//	test_write
//	        a write has no EINTR here; what is left is that one to a slow reader is whole
//	test_all
//	        __all__ becomes: every name that the package documentation links to exists
//	test_threads_reaped
//	        _threads becomes Active and the number of goroutines

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

func TestSocketserver(t *testing.T) {
	networks := map[string]string{"TCP": "tcp", "UDP": "udp", "UnixStream": "unix", "UnixDatagram": "unixgram"}
	strategies := map[string]string{"": "synchronous", "Threading": "threading", "Forking": "forking"}
	for of, network := range networks {
		for mixin, strategy := range strategies {
			t.Run("test_"+mixin+of+"Server", func(t *testing.T) {
				s := newServer[network](t, class(t, echo))
				s.Strategy = newStrategy[strategy]()
				testEcho(t, s)
			})
		}
	}
	for name, test := range map[string]func(*testing.T){
		"test_shutdown": testShutdown, "test_close_immediately": testCloseImmediately,
		"test_tcpserver_bind_leak": testBindLeak, "test_context_manager": testContextManager,
		"test_sync_handled":          func(t *testing.T) { testHandled(t, &framework.Synchronous{}) },
		"test_threading_handled":     func(t *testing.T) { testHandled(t, &framework.Threading{}) },
		"test_forking_handled":       func(t *testing.T) { testHandled(t, &framework.Forking{}) },
		"test_sync_not_handled":      testSyncNotHandled,
		"test_threading_not_handled": func(t *testing.T) { testNotHandled(t, &framework.Threading{}) },
		"test_forking_not_handled":   func(t *testing.T) { testNotHandled(t, &framework.Forking{}) },
		"test_basics":                testBasics, "test_write": testWrite, "test_all": testAll,
		"test_shutdown_request_called_if_verify_request_false": testVerifyFalse,
		"test_threads_reaped": testThreadsReaped,
	} {
		t.Run(name, test)
	}
}

// testEcho is the fixture of the twelve echo tests.
func testEcho(t *testing.T, s *framework.BaseServer) {
	var unrelated *exec.Cmd
	if _, ok := s.Strategy.(*framework.Forking); ok { // bpo-1540386: it stays the application's to wait for
		unrelated = exec.Command("sh", "-c", "exit 72")
		require.NoError(t, unrelated.Start())
	}
	served := start(t, s)
	socket := socketOf(t, s)
	if network := s.Transport.Network(); network == "tcp" || network == "udp" {
		require.NotRegexp(t, ":0$", s.Addr().String())
	}
	for range 3 {
		require.Equal(t, "hello world\n", ask(t, s, "hello world\n"))
	}
	frameworktest.Shutdown(t, s)
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	socket.requireClosed(t)
	if f, ok := s.Strategy.(*framework.Forking); ok {
		require.Empty(t, f.ActiveChildren())
		var exit *exec.ExitError
		require.ErrorAs(t, unrelated.Wait(), &exit)
		require.Equal(t, 72, exit.ExitCode())
	}
}

func testShutdown(t *testing.T) {
	for range 20 {
		s := newServer["tcp"](t, class(t, echo))
		served := make(chan error, 1)
		go func() { served <- s.ServeForever() }()
		frameworktest.Shutdown(t, s)
		require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	}
}

func testCloseImmediately(t *testing.T) {
	s := newServer["tcp"](t, class(t, echo))
	s.Strategy = &framework.Threading{}
	require.NoError(t, s.Listen())
	require.NoError(t, s.Close())
}

func testBindLeak(t *testing.T) {
	before := openFiles(t)
	for range 1024 {
		s := framework.NewTCPServer("127.0.0.1:-1", class(t, echo))
		require.ErrorContains(t, s.Listen(), "invalid port")
	}
	requireOpenFiles(t, before)
}

func testContextManager(t *testing.T) {
	before := openFiles(t)
	s := newServer["tcp"](t, class(t, echo))
	var socket listening
	func() {
		require.NoError(t, s.Listen())
		defer s.Close()
		socket = socketOf(t, s)
	}()
	socket.requireClosed(t)
	requireOpenFiles(t, before)
}

func testHandled(t *testing.T, strategy framework.Strategy) {
	s := newServer["tcp"](t, class(t, act))
	s.Strategy = strategy
	errs := errorsOf(s)
	frameworktest.Serve(t, s)
	require.Empty(t, askAll(t, s, "error no such value\n"))
	require.ErrorContains(t, frameworktest.Await(t, errs), "no such value")
}

func testNotHandled(t *testing.T, strategy framework.Strategy) {
	s := newServer["tcp"](t, class(t, act))
	s.Strategy = strategy
	errs := errorsOf(s)
	frameworktest.Serve(t, s)
	require.Empty(t, askAll(t, s, "goexit\n"))
	require.Equal(t, "alive\n", ask(t, s, "echo alive\n"))
	require.Empty(t, errs)
}

// In the loop's own goroutine it ends the loop, as SystemExit does.
func testSyncNotHandled(t *testing.T) {
	s := newServer["tcp"](t, class(t, act))
	errs := errorsOf(s)
	require.NoError(t, s.Listen())
	left := make(chan struct{})
	go func() {
		defer close(left)
		_ = s.ServeForever()
	}()
	require.Empty(t, askAll(t, s, "goexit\n"))
	frameworktest.Await(t, left)
	require.Empty(t, errs)
	frameworktest.Shutdown(t, s)
}

func testBasics(t *testing.T) {
	s := newServer["tcp"](t, &framework.HandlerClass{New: func() framework.Handler { return &direct{} }})
	frameworktest.Serve(t, s)
	require.Equal(t, "by wfile, by Conn", askAll(t, s, ""))
}

// direct writes to its connection past wfile.
type direct struct{ framework.StreamRequestHandler }

func (h *direct) Handle(_ *bufio.Reader, wfile io.Writer) error {
	if _, err := io.WriteString(wfile, "by wfile, "); err != nil {
		return err
	}
	_, err := io.WriteString(h.Conn(), "by Conn")
	return err
}

func testWrite(t *testing.T) {
	const size = 16<<20 + 100
	wrote := make(chan int, 1)
	s := threadingServer(t, func(rfile *bufio.Reader, wfile io.Writer) error {
		if _, err := io.WriteString(wfile, "at once"); err != nil {
			return err
		}
		if _, err := rfile.ReadByte(); err != nil {
			return err
		}
		n, err := wfile.Write(make([]byte, size))
		wrote <- n
		return err
	})
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	frameworktest.Expect(t, conn, "at once") // before the handler goes on
	frameworktest.Send(t, conn, "x")
	first := make([]byte, 100)
	_, err := io.ReadFull(conn, first)
	require.NoError(t, err)
	require.Empty(t, wrote, "the write is under way")
	rest, err := io.Copy(io.Discard, conn)
	require.NoError(t, err)
	require.EqualValues(t, size-100, rest)
	require.Equal(t, size, frameworktest.Await(t, wrote))
}

var docLink = regexp.MustCompile(`\[\*?([A-Z]\w*)(?:\.(\w+))?\]`)

func testAll(t *testing.T) {
	exported := map[string]bool{}
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		require.NoError(t, err)
		for name := range exportedNames(file) {
			exported[name] = true
		}
	}
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	table, err := os.ReadFile("../docs/socketserver.md")
	require.NoError(t, err)
	links := docLink.FindAllStringSubmatch(string(doc)+string(table), -1)
	require.Greater(t, len(links), 30)
	for _, link := range links {
		name := link[1]
		if link[2] != "" {
			name += "." + link[2]
		}
		require.True(t, exported[name], "doc.go or docs/socketserver.md names %s", name)
	}
}

// exportedNames are the package's names, and fields and methods as Type.Name.
func exportedNames(file *ast.File) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil {
				names[n.Name.Name] = true
				return false
			}
			of := n.Recv.List[0].Type
			if star, ok := of.(*ast.StarExpr); ok {
				of = star.X
			}
			if id, ok := of.(*ast.Ident); ok {
				names[id.Name+"."+n.Name.Name] = true
			}
			return false
		case *ast.ValueSpec:
			for _, name := range n.Names {
				names[name.Name] = true
			}
		case *ast.TypeSpec:
			names[n.Name.Name] = true
			var members *ast.FieldList
			switch of := n.Type.(type) {
			case *ast.StructType:
				members = of.Fields
			case *ast.InterfaceType:
				members = of.Methods
			default:
				return false
			}
			for _, field := range members.List {
				for _, name := range field.Names {
					names[n.Name.Name+"."+name.Name] = true
				}
			}
			return false
		}
		return true
	})
	return names
}

func testVerifyFalse(t *testing.T) {
	server, client := tcpPair(t)
	conn := &countingConn{Conn: server}
	transport := newFakeTransport()
	s := &framework.BaseServer{
		Transport: transport, Class: class(t, echo),
		VerifyRequest: func(*framework.Request) bool { return false },
	}
	served := start(t, s)
	transport.requests <- framework.NewStreamRequest("tcp", conn)
	frameworktest.ExpectEnd(t, client)
	eventually(t, func() bool { return conn.closes.Load() > 0 }, "the connection stays open")
	require.NoError(t, s.Shutdown(context.Background()))
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	require.EqualValues(t, 1, conn.closes.Load())
}

func testThreadsReaped(t *testing.T) {
	before := runtime.NumGoroutine()
	s := threadingServer(t, func(_ *bufio.Reader, wfile io.Writer) error {
		_, err := fmt.Fprint(wfile, "hello")
		return err
	})
	served := start(t, s)
	for range 10 {
		require.Equal(t, "hello", askAll(t, s, ""))
	}
	eventually(t, func() bool { return s.Active() == 0 }, "requests are kept")
	frameworktest.Shutdown(t, s)
	require.True(t, errors.Is(frameworktest.Await(t, served), framework.ErrServerClosed))
	eventually(t, func() bool { return runtime.NumGoroutine() <= before }, "goroutines are kept")
}
