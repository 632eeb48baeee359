package websocket

import (
	"bufio"
	"bytes"
	"crypto/sha1" //nolint:gosec // what RFC 6455 says; it proves nothing
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/framework"
)

// maxHead is the size in bytes of the request line and headers of a request to upgrade.
const maxHead = 16 << 10

// A refusal is the answer to a request that does not become a WebSocket.
type refusal struct {
	status  int
	why     string
	headers string // each with its end of line
	next    string // step of who runs the server; empty: it is the client's
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("not upgraded to WebSocket: %s (status %d)", r.why, r.status)
	if r.next != "" {
		text += "; " + r.next
	}
	return text
}

// upgrade reads a request and answers it.
func (o *Options) upgrade(c net.Conn) (*Conn, error) {
	r := bufio.NewReaderSize(c, readBuffer)
	head, err := readHead(r)
	var protocol, key string
	if err == nil {
		protocol, key, err = o.accept(c, head)
	}
	if no := (*refusal)(nil); errors.As(err, &no) {
		body := no.why + "\n"
		_, _ = fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n%s",
			no.status, http.StatusText(no.status), len(body), no.headers, body)
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptance(key) + "\r\n"
	if protocol != "" {
		answer += "Sec-WebSocket-Protocol: " + protocol + "\r\n"
	}
	if _, err := c.Write([]byte(answer + "\r\n")); err != nil {
		return nil, err
	}
	return newConn(c, r, !o.Binary, false), nil
}

// readHead reads up to the empty line that ends a head, and no further.
func readHead(r *bufio.Reader) ([]byte, error) {
	var head []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(head)+len(part) > maxHead {
			return nil, &refusal{status: http.StatusRequestHeaderFieldsTooLarge, why: fmt.Sprintf("the head of the request is longer than %d bytes", maxHead)}
		}
		head = append(head, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && len(head) == 0:
			return nil, fmt.Errorf("%w before it sent a request: %w", framework.ErrPeerGone, err)
		case err != nil:
			return nil, fmt.Errorf("read the request to upgrade: %w", err)
		}
		if !startsLikeHTTP(head) {
			return nil, &refusal{status: http.StatusBadRequest, why: "this is a WebSocket server, and the client does not speak HTTP"}
		}
		if line := bytes.TrimRight(part, "\r\n"); len(line) == 0 && len(head) > len(part) {
			return head, nil
		}
	}
}

// startsLikeHTTP reports whether the first line may be that of a request, so that what is none is
// refused before its client has sent an empty line.
func startsLikeHTTP(head []byte) bool {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	return bytes.HasSuffix(bytes.TrimRight(line, "\r"), []byte("HTTP/1.1")) || bytes.HasSuffix(bytes.TrimRight(line, "\r"), []byte("HTTP/1.0"))
}

// accept checks a request and returns what its answer needs. The error is a refusal.
func (o *Options) accept(c net.Conn, head []byte) (protocol, key string, err error) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return "", "", &refusal{status: http.StatusBadRequest, why: "the request is malformed"}
	}
	has := func(header, token string) bool {
		return slices.ContainsFunc(tokens(r.Header.Values(header)), func(t string) bool { return strings.EqualFold(t, token) })
	}
	key = r.Header.Get("Sec-WebSocket-Key")
	decoded, notBase64 := base64.StdEncoding.DecodeString(key)
	asked := tokens(r.Header.Values("Sec-WebSocket-Protocol"))
	why, next := o.refusePage(c, r)
	no := func(status int, why, headers string) error {
		return &refusal{status: status, why: why, headers: headers}
	}
	switch {
	case r.URL.Path != o.Path:
		err = no(http.StatusNotFound, "there is nothing at this path", "")
	case r.Method != http.MethodGet:
		err = no(http.StatusMethodNotAllowed, "a WebSocket begins with GET", "Allow: GET\r\n")
	case !has("Connection", "upgrade") || !has("Upgrade", "websocket"):
		err = no(http.StatusUpgradeRequired, "this is a WebSocket server: connect with ws:// or wss://", "Upgrade: websocket\r\n")
	case !r.ProtoAtLeast(1, 1) || r.Host == "":
		err = no(http.StatusBadRequest, "a WebSocket needs HTTP/1.1 and a header Host", "")
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		err = no(http.StatusUpgradeRequired, "the version of WebSocket is 13", "Sec-WebSocket-Version: 13\r\n")
	case notBase64 != nil || len(decoded) != 16:
		err = no(http.StatusBadRequest, "the header Sec-WebSocket-Key has to be 16 bytes in base64", "")
	case why != "":
		err = &refusal{status: http.StatusForbidden, why: why, next: next}
	case len(asked) > 0 && !slices.Contains(asked, o.Subprotocol):
		err = no(http.StatusBadRequest, "none of the subprotocols that the client asks for is spoken here", "")
	case len(asked) > 0:
		protocol = o.Subprotocol
	}
	return protocol, key, err
}

// maxOrigin is how many characters of the origin of a page are shown.
const maxOrigin = 100

const nameOrigin = `if the page is yours, name its origin in the transport, as in origins = ["https://example.com"]`

// refusePage returns why the page that the request comes from may not connect, and what to do if it should; empty: it may.
func (o *Options) refusePage(c net.Conn, r *http.Request) (why, next string) {
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(o.Origins, "*") {
		return "", ""
	}
	from, err := url.Parse(origin)
	switch {
	case len(o.Origins) > 0:
		if slices.ContainsFunc(o.Origins, func(allowed string) bool { return strings.EqualFold(allowed, origin) }) {
			return "", ""
		}
		next = "if the page is yours, add its origin to origins of the transport"
	case err != nil || from.Host == "" || !strings.EqualFold(from.Host, r.Host):
		next = nameOrigin
	case isLocal(c) && !isOwn(from.Hostname()):
		return fmt.Sprintf("pages of %.*q may connect from this machine only if origins names them, as the name of any page can be made to lead here", maxOrigin, from.Hostname()),
			nameOrigin
	default:
		return "", ""
	}
	if origin == "null" { // which no list can name
		next = `a page that was opened as a file has no origin: serve it by HTTP, or write origins = ["*"] in the transport`
	}
	return fmt.Sprintf("pages of another origin may not connect, and this one is of %.*q", maxOrigin, origin), next
}

// isLocal reports whether the client is on this machine, and no certificate has proved to it that the server has the name
// by which it came. A browser also comes here for a name that somebody else has lead here (DNS rebinding).
func isLocal(c net.Conn) bool {
	if _, proved := c.(interface{ TLS() *framework.TLS }); proved {
		return false
	}
	local, isTCP := c.LocalAddr().(*net.TCPAddr)
	remote, ok := c.RemoteAddr().(*net.TCPAddr)
	return isTCP && ok && (local.IP.IsLoopback() || local.IP.Equal(remote.IP))
}

// isOwn reports whether host is a name that nobody can have lead here, or no name.
func isOwn(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	_, err := netip.ParseAddr(host)
	return err == nil || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// tokens returns the elements of headers that are lists.
func tokens(headers []string) (all []string) {
	for _, h := range headers {
		for t := range strings.SplitSeq(h, ",") {
			all = append(all, strings.TrimSpace(t))
		}
	}
	return all
}

// acceptance proves that the request was read as that of a WebSocket.
func acceptance(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // likewise
	return base64.StdEncoding.EncodeToString(sum[:])
}
