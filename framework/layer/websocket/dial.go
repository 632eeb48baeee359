package websocket

import (
	"bufio"
	"fmt"
	"net"
	"net/url"

	"github.com/gobwas/ws"
)

// Client begins a WebSocket to u, as ws://localhost:8000/chat, on a connection to its host, which the
// Conn owns. Lines of text are messages, see [Options]; what the server sends as binary is read as it is.
func Client(c net.Conn, u *url.URL) (*Conn, error) {
	dialer := ws.Dialer{ReadBufferSize: readBuffer}
	r, _, err := dialer.Upgrade(c, u)
	if err != nil {
		return nil, fmt.Errorf("begin a WebSocket: %w", err)
	}
	if r == nil {
		r = bufio.NewReaderSize(c, readBuffer)
	}
	return newConn(c, r, true, true), nil
}
