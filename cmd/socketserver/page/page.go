// Package page serves the live page: files that are part of this program, the frames of a feed, and
// commands.
//
// Any web site that a user of this machine visits can send requests to loopback, so nothing is served
// without the token that is part of the address that was printed, nor to another origin, nor under a name
// that is not the page's: one that an attacker's DNS resolves to this machine.
package page

import (
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed assets
var embedded embed.FS

// types are those of the files. The system's own table may have others.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".json": "application/json", ".svg": "image/svg+xml",
}

// maxBody is the size of a command in bytes.
const maxBody = 64 << 10

// A Command does something. Its error is shown on the page.
type Command func(*http.Request) error

// A Page answers browsers.
type Page struct {
	Token    string
	Host     string       // that it is configured with; IP addresses and localhost are allowed in any case
	Events   http.Handler // the frames
	ReadOnly bool         // all commands are refused
	Commands map[string]Command
	Chat     http.Handler // the WebSocket of a room; nil: there is none
}

// NewToken returns a token, which cannot be guessed.
func NewToken() string { return rand.Text() }

// URL returns the address to open for a page that listens at a real address.
func (p *Page) URL(at net.Addr) string {
	host, port, _ := net.SplitHostPort(at.String())
	if ip, err := netip.ParseAddr(host); p.Host != "" {
		host = p.Host
	} else if err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/?token=" + p.Token
}

// IsLocal reports whether only this machine reaches a page at an address.
func IsLocal(at net.Addr) bool {
	tcp, ok := at.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if why := p.refuse(r); why != "" {
		http.Error(w, why, http.StatusForbidden)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	switch {
	case r.Method == http.MethodPost:
		p.command(w, r, name)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "GET and POST are all that there is", http.StatusMethodNotAllowed)
	case name == "events":
		p.Events.ServeHTTP(w, r)
	case name == "chat" && p.Chat != nil && !p.ReadOnly:
		p.Chat.ServeHTTP(w, r)
	default:
		p.file(w, r, name)
	}
}

// refuse returns why a request is not answered; empty: it is.
func (p *Page) refuse(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.Trim(r.Host, "[]")
	}
	_, notIP := netip.ParseAddr(host)
	if notIP != nil && host != "localhost" && !strings.EqualFold(host, p.Host) {
		return "the page is not served under this name"
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return "the page is not served to other origins"
	}
	given := r.URL.Query().Get("token")
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default: // a link elsewhere to the address that was printed will do
		if r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Mode") != "navigate" || given == "" {
			return "the page is not served to other sites"
		}
	}
	if c, err := r.Cookie(cookieOf(r)); given == "" && err == nil && r.Method != http.MethodPost {
		given = c.Value
	}
	if subtle.ConstantTimeCompare([]byte(given), []byte(p.Token)) != 1 {
		return "open the page with the address that was printed at start: it ends in ?token=..."
	}
	return ""
}

// cookieOf returns the name of the cookie, which a browser sends to all ports of a host.
func cookieOf(r *http.Request) string {
	_, port, _ := net.SplitHostPort(r.Host)
	return "socketserver-" + port
}

// file answers with a file. The files that the page asks for come with its cookie.
func (p *Page) file(w http.ResponseWriter, r *http.Request, name string) {
	if name == "" {
		name = "index.html"
	}
	text, err := fs.ReadFile(embedded, "assets/"+name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if name == "index.html" {
		http.SetCookie(w, &http.Cookie{Name: cookieOf(r), Value: p.Token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	}
	w.Header().Set("Content-Type", types[path.Ext(name)])
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text)
}

// command runs a command.
func (p *Page) command(w http.ResponseWriter, r *http.Request, name string) {
	do, known := p.Commands[name]
	switch {
	case p.ReadOnly:
		http.Error(w, "the page is read only", http.StatusForbidden)
		return
	case !known:
		http.NotFound(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // do may take longer
	if err := do(r); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
