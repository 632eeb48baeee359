package websocket_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer/websocket"
)

// echoing answers each read with a write, of a MiB at most.
func echoing(rfile *bufio.Reader, wfile io.Writer) error {
	for buf := make([]byte, 1<<20); ; {
		n, err := rfile.Read(buf)
		if err != nil {
			return err
		}
		if _, err := wfile.Write(buf[:n]); err != nil {
			return err
		}
	}
}

func serve(t *testing.T, o websocket.Options, handle func(*bufio.Reader, io.Writer) error) *framework.BaseServer {
	t.Helper()
	class, err := framework.Func(handle).Class(nil)
	require.NoError(t, err)
	s := frameworktest.NewServer(t, "tcp", class)
	s.Layers = []framework.Layer{websocket.New(o)}
	s.ReadBuffer, s.Log = 1<<16, frameworktest.NewLog().Logger()
	return frameworktest.Serve(t, s)
}

const request = "GET / HTTP/1.1\r\nHost: example.com:8000\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// begin upgrades a connection as a client that may do anything after that.
func begin(t *testing.T, s *framework.BaseServer) (net.Conn, *bufio.Reader) {
	t.Helper()
	c := frameworktest.Dial(t, s)
	frameworktest.Send(t, c, request+"\r\n")
	r := bufio.NewReader(c)
	answer, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusSwitchingProtocols, answer.StatusCode)
	require.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", answer.Header.Get("Sec-WebSocket-Accept"), "the example of RFC 6455")
	return c, r
}

// Requests that are none of a WebSocket, or not for this one, are refused with a status.
func TestUpgrade(t *testing.T) {
	without := func(header string) string {
		var kept []string
		for line := range strings.SplitSeq(request, "\r\n") {
			if !strings.HasPrefix(line, header+":") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "\r\n")
	}
	plain, other := websocket.Options{}, websocket.Options{Path: "/chat", Origins: []string{"https://a.example"}, Subprotocol: "lines"}
	chat := strings.Replace(request, "GET /", "GET /chat", 1)
	for name, c := range map[string]struct {
		options websocket.Options
		request string
		status  int
		header  string
	}{
		"plain":               {plain, request, 101, ""},
		"with a query":        {plain, strings.Replace(request, "GET /", "GET /?token=1", 1), 101, ""},
		"same origin":         {plain, strings.Replace(request, "example.com", "localhost", 1) + "Origin: http://LOCALHOST:8000\r\n", 101, ""},
		"a name of its own":   {plain, request + "Origin: http://example.com:8000\r\n", 403, ""},
		"other port":          {plain, request + "Origin: http://example.com\r\n", 403, ""},
		"other origin":        {plain, request + "Origin: https://evil.example\r\n", 403, ""},
		"opaque origin":       {plain, request + "Origin: null\r\n", 403, ""},
		"allowed origin":      {other, chat + "Origin: https://a.example\r\n", 101, ""},
		"own is not allowed":  {other, chat + "Origin: http://example.com:8000\r\n", 403, ""},
		"any origin":          {websocket.Options{Origins: []string{"*"}}, request + "Origin: null\r\n", 101, ""},
		"subprotocol":         {other, chat + "Sec-WebSocket-Protocol: mqtt, lines\r\n", 101, "Sec-Websocket-Protocol=lines"},
		"other subprotocol":   {other, chat + "Sec-WebSocket-Protocol: mqtt\r\n", 400, ""},
		"unasked subprotocol": {plain, request + "Sec-WebSocket-Protocol: mqtt\r\n", 400, ""},
		"other path":          {other, request, 404, ""},
		"POST":                {plain, strings.Replace(request, "GET", "POST", 1), 405, "Allow=GET"},
		"a page":              {plain, "GET / HTTP/1.1\r\nHost: x\r\n", 426, "Upgrade=websocket"},
		"version":             {plain, strings.Replace(request, "13", "8", 1), 426, "Sec-Websocket-Version=13"},
		"HTTP/1.0":            {plain, strings.Replace(request, "HTTP/1.1", "HTTP/1.0", 1), 400, ""},
		"no host":             {plain, without("Host"), 400, ""},
		"no key":              {plain, without("Sec-WebSocket-Key"), 400, ""},
		"short key":           {plain, strings.Replace(request, "dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 1), 400, ""},
		"malformed":           {plain, "GET / HTTP/1.1\r\n: nothing\r\n", 400, ""},
		"not HTTP":            {plain, "hello\r\n", 400, ""},
		"long":                {plain, request + "X: " + strings.Repeat("x", 1<<17) + "\r\n", 431, ""},
		"many":                {plain, request + strings.Repeat("X: y\r\n", 1<<14), 431, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.options, echoing)
			conn := frameworktest.Dial(t, s)
			go func() { _, _ = io.WriteString(conn, c.request+"\r\n") }() // more than is read
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			defer answer.Body.Close()
			require.Equal(t, c.status, answer.StatusCode)
			if name, value, ok := strings.Cut(c.header, "="); ok {
				require.Equal(t, value, answer.Header.Get(name))
			}
			if c.status != http.StatusSwitchingProtocols {
				body, err := io.ReadAll(answer.Body)
				require.NoError(t, err)
				require.NotEmpty(t, strings.TrimSpace(string(body)))
			}
		})
	}
}

func frame(op ws.OpCode, fin bool, payload string) ws.Frame {
	return ws.NewFrame(op, fin, []byte(payload))
}

// sent is frames as a client sends them, in pieces of size.
func sent(t *testing.T, c net.Conn, size int, frames ...ws.Frame) {
	t.Helper()
	var all bytes.Buffer
	for _, f := range frames {
		require.NoError(t, ws.WriteFrame(&all, ws.MaskFrame(f)))
	}
	for all.Len() > 0 {
		_, err := c.Write(all.Next(size))
		require.NoError(t, err)
	}
}

func readFrame(t *testing.T, r io.Reader) ws.Frame {
	t.Helper()
	h, err := ws.ReadHeader(r)
	require.NoError(t, err)
	f := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
	_, err = io.ReadFull(r, f.Payload)
	require.NoError(t, err)
	return f
}

// received are messages and control frames of the server until its close frame, each as "op payload".
func received(t *testing.T, c net.Conn, r *bufio.Reader) (all []string) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(frameworktest.Patience)))
	names := map[ws.OpCode]string{ws.OpText: "text", ws.OpBinary: "binary", ws.OpPong: "pong", ws.OpPing: "ping"}
	message := ""
	for {
		f := readFrame(t, r)
		require.False(t, f.Header.Masked)
		switch {
		case f.Header.OpCode == ws.OpClose:
			code, _ := ws.ParseCloseFrameData(f.Payload)
			return append(all, fmt.Sprint("close ", code))
		case f.Header.OpCode.IsControl():
			all = append(all, names[f.Header.OpCode]+" "+string(f.Payload))
			continue
		case f.Header.OpCode != ws.OpContinuation:
			message = names[f.Header.OpCode] + " "
		}
		message += string(f.Payload)
		if f.Header.Fin {
			all = append(all, message)
		}
	}
}

// The cases of the Autobahn test suite for servers, without those of compression, by their numbers.
// Each conversation ends with a close frame of the client unless the server ends it.
func TestFrames(t *testing.T) {
	const text, binary, more, ping, pong, end = ws.OpText, ws.OpBinary, ws.OpContinuation, ws.OpPing, ws.OpPong, ws.OpClose
	body := func(code int, reason string) string { return string(ws.NewCloseFrameBody(ws.StatusCode(code), reason)) }
	long := strings.Repeat("*", 70000)
	rsv := func(f ws.Frame, bits byte) ws.Frame { f.Header.Rsv = bits; return f }
	type frames = []ws.Frame
	for name, c := range map[string]struct {
		frames frames
		want   string
	}{
		"1.1.1 empty text":              {frames{frame(text, true, "")}, "text , close 1000"},
		"1.1.5 126 bytes":               {frames{frame(text, true, long[:126])}, "text " + long[:126] + ", close 1000"},
		"1.1.8 long":                    {frames{frame(text, true, long)}, "text " + long + ", close 1000"},
		"1.2.2 binary":                  {frames{frame(binary, true, "\xfe\x00\n")}, "binary \xfe\x00\n, close 1000"},
		"2.2 ping with a payload":       {frames{frame(ping, true, "hello")}, "pong hello, close 1000"},
		"2.5 ping of 126 bytes":         {frames{frame(ping, true, long[:126])}, "close 1002"},
		"2.7 unsolicited pong":          {frames{frame(pong, true, "x")}, "close 1000"},
		"2.10 ten pings":                {frames{frame(ping, true, "1"), frame(ping, true, "2"), frame(ping, true, "3")}, "pong 1, pong 2, pong 3, close 1000"},
		"3.1 reserved bit":              {frames{rsv(frame(text, true, "x"), 1)}, "close 1002"},
		"3.4 reserved bit after text":   {frames{frame(text, true, "a"), rsv(frame(text, true, "x"), 4)}, "text a, close 1002"},
		"4.1.1 reserved opcode":         {frames{frame(3, true, "")}, "close 1002"},
		"4.2.1 reserved control opcode": {frames{frame(11, true, "")}, "close 1002"},
		"5.1 fragmented ping":           {frames{frame(ping, false, "a"), frame(more, true, "b")}, "close 1002"},
		"5.3 two fragments":             {frames{frame(text, false, "one "), frame(more, true, "message")}, "text one message, close 1000"},
		"5.6 ping between":              {frames{frame(text, false, "one "), frame(ping, true, "p"), frame(more, true, "message")}, "pong p, text one message, close 1000"},
		"5.9 continuation of nothing":   {frames{frame(more, true, "x"), frame(text, true, "y")}, "close 1002"},
		"5.18 text within text":         {frames{frame(text, false, "a"), frame(text, true, "b")}, "close 1002"},
		"6.1.3 empty fragments":         {frames{frame(text, false, ""), frame(more, false, "mid"), frame(more, true, "")}, "text mid, close 1000"},
		"6.2.3 runes cut":               {frames{frame(text, false, "\xe4"), frame(more, false, "\xbd\xa0"), frame(more, false, "\xe5\xa5"), frame(more, true, "\xbd")}, "text 你好, close 1000"},
		"6.3.1 not UTF-8":               {frames{frame(text, true, "\xce\xba\xed\xa0\x80edited")}, "close 1007"},
		"6.3.2 not UTF-8 in fragments":  {frames{frame(text, false, "\xce\xba\xed"), frame(more, true, "\xa0\x80")}, "close 1007"},
		"6.12 rune not ended":           {frames{frame(text, true, "\xe4\xbd")}, "close 1007"},
		"6.22 noncharacter":             {frames{frame(text, true, "\uffff\ufffd")}, "text \uffff\ufffd, close 1000"},
		"7.1.3 ping after close":        {frames{frame(end, true, body(1000, "")), frame(ping, true, "")}, "close 1000"},
		"7.3.1 empty close":             {frames{frame(end, true, "")}, "close 0"},
		"7.3.2 close of one byte":       {frames{frame(end, true, "a")}, "close 1002"},
		"7.3.4 close with a reason":     {frames{frame(end, true, body(1001, "bye"))}, "close 1001"},
		"7.3.6 close of 126 bytes":      {frames{frame(end, true, "\x03\xe8"+long[:124])}, "close 1002"},
		"7.5.1 reason not UTF-8":        {frames{frame(end, true, body(1000, "\xff"))}, "close 1007"},
		"7.7.13 code of its own":        {frames{frame(end, true, body(4999, ""))}, "close 4999"},
		"7.7 service restart":           {frames{frame(end, true, body(1012, ""))}, "close 1012"},
		"7.7 try again later":           {frames{frame(end, true, body(1013, ""))}, "close 1013"},
		"7.7 bad gateway":               {frames{frame(end, true, body(1014, ""))}, "close 1014"},
		"7.9.1 code that is none":       {frames{frame(end, true, body(999, ""))}, "close 1002"},
		"7.9.5 code not to be sent":     {frames{frame(end, true, body(1005, ""))}, "close 1002"},
		"7.9.6 code of TLS alone":       {frames{frame(end, true, body(1015, ""))}, "close 1002"},
		"7.9.7 code nobody has":         {frames{frame(end, true, body(1016, ""))}, "close 1002"},
		"7.9.9 last of the protocol":    {frames{frame(end, true, body(2999, ""))}, "close 1002"},
		"7.13.1 code beyond all":        {frames{frame(end, true, body(5000, ""))}, "close 1002"},
		"7.13.2 largest code":           {frames{frame(end, true, body(65535, ""))}, "close 1002"},
	} {
		for _, size := range []int{1 << 20, 1} {
			if size == 1 && len(c.want) > 1000 {
				continue
			}
			t.Run(fmt.Sprint(name, " in pieces of ", size), func(t *testing.T) {
				s := serve(t, websocket.Options{Binary: true}, func(rfile *bufio.Reader, wfile io.Writer) error {
					return echoing(bufio.NewReaderSize(rfile, 1<<20), wfile)
				})
				conn, r := begin(t, s)
				want := c.want
				if !strings.HasPrefix(name, "1.1.1") { // nothing of an empty message reaches a handler
					want = strings.ReplaceAll(want, "text ", "binary ")
				} else {
					want = "close 1000"
				}
				sent(t, conn, size, append(c.frames, frame(end, true, body(1000, "")))...)
				got := strings.Join(received(t, conn, r), ", ")
				if len(c.want) > 1000 { // it is more than one read
					got = strings.ReplaceAll(strings.Replace(got, "binary ", "", 1), ", binary ", "")
					want = strings.Replace(want, "binary ", "", 1)
				}
				require.Equal(t, want, got)
				_, err := r.ReadByte()
				require.ErrorIs(t, err, io.EOF)
			})
		}
	}
}

// As text each line is a message.
func TestLines(t *testing.T) {
	const text, binary, more, end = ws.OpText, ws.OpBinary, ws.OpContinuation, ws.OpClose
	long := strings.Repeat("多", 50000)
	for name, c := range map[string]struct {
		frames []ws.Frame
		reads  string
		writes string
		want   string
	}{
		"a line":            {[]ws.Frame{frame(text, true, "hello")}, "hello\n", "hello\n", "text hello"},
		"with its newline":  {[]ws.Frame{frame(text, true, "hello\n")}, "hello\n", "a\r\nb\n", "text a, text b"},
		"empty":             {[]ws.Frame{frame(text, true, "")}, "\n", "\n", "text "},
		"fragments":         {[]ws.Frame{frame(text, false, "hel"), frame(more, false, ""), frame(more, true, "lo")}, "hello\n", "x\n", "text x"},
		"binary":            {[]ws.Frame{frame(binary, true, "\xff"), frame(text, true, "x")}, "\xffx\n", "x\n", "text x"},
		"a prompt":          {nil, "", "name: ", "text name: "},
		"not UTF-8":         {nil, "", "a\xffb\n", "text a\uFFFDb"},
		"a very long line":  {nil, "", long + "\n", "text " + long},
		"a very long start": {nil, "", long, "text " + long},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, websocket.Options{}, func(rfile *bufio.Reader, wfile io.Writer) error {
				read := make([]byte, len(c.reads))
				if _, err := io.ReadFull(rfile, read); err != nil || string(read) != c.reads {
					_, _ = fmt.Fprintf(wfile, "read %q, %v", read, err)
				}
				for p := []byte(c.writes); len(p) > 0; { // as a copy loop does
					n := min(len(p), 70001)
					if _, err := wfile.Write(p[:n]); err != nil {
						return err
					}
					p = p[n:]
				}
				_, err := rfile.ReadByte()
				return err
			})
			conn, r := begin(t, s)
			sent(t, conn, 1<<20, append(c.frames, frame(end, true, ""))...)
			got := strings.Join(received(t, conn, r), ", ")
			require.True(t, c.want+", close 0" == got, "%.20s ... %s, %d bytes", got, got[max(len(got)-50, 0):], len(got)) // some are too long to be shown
		})
	}
}

// A read of the handler sends the beginning of a line, and neither cuts a rune or the end of a line nor adds one.
func TestPieces(t *testing.T) {
	long := strings.Repeat("é", 40000)
	for name, c := range map[string]struct {
		writes []string
		binary bool
		want   string
	}{
		"two messages":          {[]string{"a", "b\n"}, false, "text a, text b"},
		"rune of two bytes":     {[]string{"h\xc3", "\xa9llo\n"}, false, "text h, text éllo"},
		"rune of four bytes":    {[]string{"\xf0", "\x9f\x99", "\x82\n"}, false, "text 🙂"},
		"of a long line":        {[]string{long[:70001], long[70001:70003], long[70003:] + "\n"}, false, "text " + long[:70000] + ", text " + long[70000:70002] + ", text " + long[70002:]},
		"only its first byte":   {[]string{long + "\xc3", "\xa9", "\n"}, false, "text " + long + ", text é"},
		"never ended":           {[]string{"h\xc3"}, false, "text h, text \uFFFD"},
		"not UTF-8":             {[]string{"h\xc3", "\xa9\xff", "\x9f\n"}, false, "text h, text é\uFFFD, text \uFFFD"},
		"end of a line":         {[]string{"a\r", "\nb\r\n"}, false, "text a, text b"},
		"return within a line":  {[]string{"10%\r", "20%\r"}, false, "text 10%, text \r20%"},
		"return at the limit":   {[]string{long[:70000] + "\r", "\n"}, false, "text " + long[:70000]},
		"newline alone":         {[]string{"a", "\nb\n"}, false, "text a, text b"},
		"newline of a long one": {[]string{long, "\n", "b\n"}, false, "text " + long + ", text b"},
		"and an empty line":     {[]string{"a", "\n\n"}, false, "text a, text "},
		"bytes":                 {[]string{"h\xc3", "\xa9llo\r", "\n"}, true, "binary h\xc3, binary \xa9llo\r, binary \n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, websocket.Options{Binary: c.binary}, func(rfile *bufio.Reader, wfile io.Writer) error {
				for _, p := range c.writes {
					if _, err := io.WriteString(wfile, p); err != nil {
						return err
					}
					if _, err := rfile.ReadByte(); err != nil {
						return err
					}
					_, _ = rfile.Discard(rfile.Buffered())
				}
				return nil
			})
			conn, r := begin(t, s)
			for range c.writes {
				sent(t, conn, 1<<20, frame(ws.OpText, true, "x"))
			}
			got := strings.Join(received(t, conn, r), ", ")
			require.True(t, c.want+", close 1000" == got, "%.20q ... %q, %d bytes", got, got[max(len(got)-50, 0):], len(got)) // some are too long to be shown
		})
	}
}

// A line that is not whole is sent while nobody reads, as from a process.
func TestPrompt(t *testing.T) {
	wait := make(chan struct{})
	s := serve(t, websocket.Options{}, func(_ *bufio.Reader, wfile io.Writer) error {
		for _, part := range []string{"na", "me: "} {
			if _, err := io.WriteString(wfile, part); err != nil {
				return err
			}
		}
		<-wait
		return nil
	})
	conn, r := begin(t, s)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(frameworktest.Patience)))
	f := readFrame(t, r)
	require.Equal(t, "name: ", string(f.Payload))
	close(wait)
	require.Equal(t, []string{"close 1000"}, received(t, conn, r), "the handler has returned")
}

// A handler learns that a client has gone without a close frame, and a client that a handler has failed.
func TestEnds(t *testing.T) {
	failed := make(chan error, 1)
	s := serve(t, websocket.Options{}, func(rfile *bufio.Reader, wfile io.Writer) error {
		line, err := rfile.ReadString('\n')
		failed <- err
		if line == "panic\n" {
			panic("as asked")
		}
		return err
	})
	conn, _ := begin(t, s)
	sent(t, conn, 1, frame(ws.OpText, false, "hel"))
	require.NoError(t, conn.Close())
	require.ErrorIs(t, frameworktest.Await(t, failed), framework.ErrPeerGone)

	conn, r := begin(t, s)
	sent(t, conn, 1, frame(ws.OpText, true, "panic"))
	require.NoError(t, frameworktest.Await(t, failed))
	require.Equal(t, []string{"close 1011"}, received(t, conn, r))

	conn, r = begin(t, s)
	web, err := websocket.Client(frameworktest.Dial(t, s), &url.URL{Scheme: "ws", Host: "localhost", Path: "/"})
	require.NoError(t, err)
	frameworktest.Send(t, web, "panic\n")
	require.NoError(t, frameworktest.Await(t, failed))
	_, err = io.ReadAll(web)
	require.EqualError(t, err, "close code 1011")
	require.ErrorAs(t, err, new(*websocket.CloseError))

	sent(t, conn, 1<<20, frame(ws.OpText, true, "panic"), frame(ws.OpText, true, strings.Repeat("unread", 1<<16)))
	require.NoError(t, frameworktest.Await(t, failed))
	require.Equal(t, []string{"close 1011"}, received(t, conn, r))
}

// The client's side and the server's understand each other.
func TestClient(t *testing.T) {
	s := serve(t, websocket.Options{Path: "/echo"}, echoing)
	u := "ws://" + s.Addr().String() + "/echo"
	c := client(t, u)
	for _, line := range []string{"hello\n", strings.Repeat("x", 100000) + "\n"} {
		frameworktest.Send(t, c, line)
		frameworktest.Expect(t, c, line)
	}
	require.NoError(t, c.CloseWrite())
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	conn := frameworktest.Dial(t, s)
	_, err = websocket.Client(conn, mustParse(t, strings.TrimSuffix(u, "echo")))
	require.ErrorContains(t, err, "404")
}
