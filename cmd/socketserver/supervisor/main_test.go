package supervisor_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/handlers"
)

// The test binary is the worker of the servers under test.
func TestMain(m *testing.M) {
	handlers.ServeWorker()
	os.Setenv("GORACE", "atexit_sleep_ms=0") // every child would sleep a second
	goleak.VerifyTestMain(m)
}
