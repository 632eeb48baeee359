package chat

import (
	"bufio"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

// Who has been cut off does not wait for its turn, also where nobody reads what it says.
func TestCutOffWhileItWaits(t *testing.T) {
	shown := make(chan error, 1)
	class, err := framework.Func(func(*bufio.Reader, io.Writer) error { return nil }).Class(nil)
	require.NoError(t, err)
	class.New = func() framework.Handler { return &cutHandler{shown: shown} }
	s := framework.NewTCPServer("127.0.0.1:0", class)
	s.Strategy = &framework.Threading{}
	require.NoError(t, s.Listen())
	go func() { _ = s.ServeForever() }()
	defer s.Close()
	conn, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	select {
	case err := <-shown:
		require.ErrorIs(t, err, errHungUp)
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for ever")
	}
}

type cutHandler struct {
	framework.StreamRequestHandler
	shown chan error
}

func (h *cutHandler) Handle(_ *bufio.Reader, wfile io.Writer) error {
	l := newLine(&Options{Mode: FullDuplex})
	m, stop := newMember(h.Request, wfile, l.options)
	defer m.Close()
	defer stop()
	l.consoles = 1
	c := &caller{Member: m, changed: sync.NewCond(&l.mu)}
	l.enter(c)
	l.take(c, []byte("hello\n"), nil)
	m.Cut(errHungUp)
	h.shown <- l.show(c)
	return nil
}
