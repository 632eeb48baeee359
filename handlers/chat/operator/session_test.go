package operator

import (
	"bufio"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A session that is cut off while its message is ready does not wait for its turn.
func TestCutOffWhileItWaits(t *testing.T) {
	shown := make(chan error, 1)
	s := frameworktest.NewServer(t, "tcp", &framework.HandlerClass{New: func() framework.Handler { return &cutHandler{shown: shown} }})
	frameworktest.Dial(t, frameworktest.Serve(t, s))
	require.ErrorIs(t, <-shown, errHungUp)
}

type cutHandler struct {
	framework.StreamRequestHandler
	shown chan error
}

func (h *cutHandler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	q := &queue{options: &Options{}, attached: 1}
	s := q.newSession(h.Request, rfile, wfile)
	defer s.Close()
	q.enter(s)
	q.push(s, []byte("hello\n"), nil)
	s.Cut(errHungUp)
	h.shown <- q.pop(s)
	return nil
}
