package framework_test

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A line without an end costs no more than MaxLine, wherever the handler runs.
func TestMaxLine(t *testing.T) {
	underEach(t, newStrategy, "tcp", echo, func(t *testing.T, s *framework.BaseServer) {
		s.MaxLine = 8192
		book := logOf(s)
		frameworktest.Serve(t, s)
		line := strings.Repeat("a", 8191) + "\n"
		conn := frameworktest.Dial(t, s)
		frameworktest.Send(t, conn, line)
		frameworktest.Expect(t, conn, line)
		_, _ = io.WriteString(frameworktest.Dial(t, s), strings.Repeat("a", 100_000))
		require.Contains(t, book.Await(t, "line too long"), "8192 bytes")
	})
}
