package framework_test

import (
	"bufio"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A filler gives its client all that TryWrite takes, and the rest by wfile.
type filler struct {
	framework.StreamRequestHandler
	full chan int // bytes that were taken
}

const fillerRest = "and the rest"

func (h *filler) Handle(_ *bufio.Reader, wfile io.Writer) error {
	taken, piece := 0, make([]byte, 64<<10)
	for {
		n, err := h.TryWrite(piece)
		if err != nil {
			return err
		}
		if taken += n; n < len(piece) {
			h.full <- taken
			_, err = io.WriteString(wfile, fillerRest)
			return err
		}
	}
}

// TryWrite takes what the socket has room for and does not wait for a client that does not read.
func TestTryWriteDoesNotWait(t *testing.T) {
	h := &filler{full: make(chan int, 1)}
	s := newServer["tcp"](t, &framework.HandlerClass{New: func() framework.Handler { return h }})
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	taken := frameworktest.Await(t, h.full)
	require.Positive(t, taken)
	all, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, taken+len(fillerRest), len(all))
	require.Equal(t, fillerRest, string(all[taken:]), "after what was taken")
}

// A counter counts what TryWrite allocates.
type counter struct {
	framework.StreamRequestHandler
	allocated chan float64
}

func (h *counter) Handle(*bufio.Reader, io.Writer) error {
	p := []byte("x")
	h.allocated <- testing.AllocsPerRun(100, func() { _, _ = h.TryWrite(p) })
	return nil
}

func TestTryWriteAllocatesNothing(t *testing.T) {
	h := &counter{allocated: make(chan float64, 1)}
	s := newServer["tcp"](t, &framework.HandlerClass{New: func() framework.Handler { return h }})
	frameworktest.Serve(t, s)
	frameworktest.Dial(t, s)
	require.Zero(t, frameworktest.Await(t, h.allocated))
}

// What is in wfile's buffer is not overtaken, and a datagram has no connection.
func TestTryWriteKeepsTheOrder(t *testing.T) {
	type result struct {
		n   int
		err error
	}
	results := make(chan result, 1)
	try := func(r *framework.Request, wfile io.Writer) {
		_, _ = io.WriteString(wfile, "first")
		n, err := r.TryWrite([]byte("second"))
		results <- result{n, err}
	}
	for _, network := range []string{"tcp", "udp"} {
		s := newServer[network](t, &framework.HandlerClass{
			New: func() framework.Handler { return &trier{try: try} }, Networks: []string{network}, WriteBuffer: 512,
		})
		frameworktest.Serve(t, s)
		conn := frameworktest.Dial(t, s)
		frameworktest.Send(t, conn, "x")
		r := frameworktest.Await(t, results)
		require.Zero(t, r.n)
		require.Equal(t, network == "udp", r.err != nil, r.err)
		frameworktest.Expect(t, conn, "first")
	}
}

type trier struct {
	framework.BaseRequestHandler
	try func(*framework.Request, io.Writer)
}

func (h *trier) Handle(_ *bufio.Reader, wfile io.Writer) error {
	h.try(h.Request, wfile)
	return nil
}
