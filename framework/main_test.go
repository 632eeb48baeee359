package framework_test

import (
	"bufio"
	"io"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework"
)

// The test binary is its own worker: what runs in a child is one of these.
var constructors = []framework.Constructor{echo}

func TestMain(m *testing.M) {
	framework.ServeWorker(constructors...)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children would sleep a second each
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
