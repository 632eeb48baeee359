package frameworktest_test

import (
	"bufio"
	"io"
	"testing"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

func double(rfile *bufio.Reader, wfile io.Writer) error {
	line, err := rfile.ReadString('\n')
	if err != nil {
		return err
	}
	_, err = io.WriteString(wfile, line+line)
	return err
}

// It is TestDouble in a test of your own.
func testDouble(t *testing.T) {
	class := frameworktest.Class(t, framework.Func(double), "")
	if output, err := frameworktest.Run(t, class, "hello\n"); err != nil || output != "hello\nhello\n" {
		t.Errorf("got %q and the error %v", output, err)
	}

	log := frameworktest.NewLog()
	s := frameworktest.NewServer(t, "tcp", class)
	s.Strategy, s.Log = &framework.Synchronous{}, log.Logger()
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "hello\n")
	frameworktest.Expect(t, conn, "hello\nhello\n")
	frameworktest.ExpectEnd(t, conn)
}

// A handler is tested in memory, and behind a socket.
func Example() { _ = testDouble }
