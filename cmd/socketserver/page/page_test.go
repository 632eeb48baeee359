package page

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/web"
)

func testPage() *Page {
	return &Page{
		Token: "secret", Host: "page.example",
		Events: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("frames")) }),
		Commands: map[string]Command{
			"kill":  func(*http.Request) error { return nil },
			"fails": func(*http.Request) error { return errors.New("it is gone") },
		},
	}
}

// ask sends a request as a browser on localhost would; headers are as "Name: value".
func ask(p *Page, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader("{}"))
	r.Host = "localhost:7070"
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if r.Header.Set(name, value); name == "Host" {
			r.Host = value
		}
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

func TestNothingIsServedToStrangers(t *testing.T) {
	const cookie = "Cookie: socketserver-7070=secret"
	for name, c := range map[string]struct {
		method, target string
		headers        []string
	}{
		"no token":                     {"GET", "/", nil},
		"a wrong token":                {"GET", "/?token=Secret", nil},
		"the feed without a token":     {"GET", "/events", nil},
		"a file without a token":       {"GET", "/main.js", nil},
		"the cookie of another port":   {"GET", "/main.js", []string{"Cookie: socketserver-7071=secret"}},
		"another origin":               {"GET", "/events?token=secret", []string{"Origin: http://evil.example"}},
		"another port of this host":    {"GET", "/events", []string{cookie, "Origin: http://localhost:8080"}},
		"a sandboxed frame":            {"GET", "/?token=secret", []string{"Origin: null"}},
		"a name of DNS rebinding":      {"GET", "/?token=secret", []string{"Host: evil.example:7070"}},
		"a script tag of another site": {"GET", "/main.js", []string{cookie, "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors"}},
		"a form of another site":       {"POST", "/kill?token=secret", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}},
		"a link without the token":     {"GET", "/", []string{cookie, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}},
		"a command without a token":    {"POST", "/kill", nil},
		"a command with a cookie only": {"POST", "/kill", []string{cookie}},
		"a command of another origin":  {"POST", "/kill?token=secret", []string{"Origin: http://127.0.0.1:7070"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := ask(testPage(), c.method, c.target, c.headers...)
			require.Equal(t, http.StatusForbidden, w.Code)
			require.Empty(t, w.Result().Cookies())
			require.NotContains(t, w.Body.String(), "secret")
		})
	}
}

func TestPageIsServedToItself(t *testing.T) {
	for _, host := range []string{"localhost:7070", "127.0.0.1:7070", "[::1]:7070", "page.example:7070", "localhost:8080"} {
		first := ask(testPage(), "GET", "/?token=secret", "Host: "+host, "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate")
		require.Equal(t, http.StatusOK, first.Code, host)
		require.Contains(t, first.Header().Get("Content-Security-Policy"), "default-src 'self'")
		cookies := first.Result().Cookies()
		require.Len(t, cookies, 1)
		require.True(t, cookies[0].HttpOnly)
		require.Equal(t, http.SameSiteStrictMode, cookies[0].SameSite)
		own := []string{"Host: " + host, "Origin: http://" + host, "Sec-Fetch-Site: same-origin", "Cookie: " + cookies[0].Name + "=" + cookies[0].Value}
		require.Equal(t, "text/javascript; charset=utf-8", ask(testPage(), "GET", "/main.js", own...).Header().Get("Content-Type"))
		require.Equal(t, "frames", ask(testPage(), "GET", "/events", own...).Body.String())
		require.Equal(t, http.StatusNoContent, ask(testPage(), "POST", "/kill?token=secret", own...).Code)
		require.Equal(t, http.StatusNotFound, ask(testPage(), "GET", "/../page.go", own...).Code)
	}
}

func TestCommandsThatFail(t *testing.T) {
	p := testPage()
	w := ask(p, "POST", "/fails?token=secret")
	require.Equal(t, http.StatusConflict, w.Code)
	require.Equal(t, "it is gone\n", w.Body.String())
	require.Equal(t, http.StatusNotFound, ask(p, "POST", "/other?token=secret").Code)
	p.ReadOnly = true
	for name := range p.Commands {
		require.Equal(t, http.StatusForbidden, ask(p, "POST", "/"+name+"?token=secret").Code)
	}
	require.Equal(t, http.StatusOK, ask(p, "GET", "/?token=secret").Code)
}

// A pipe is a listener with one connection.
type pipe chan net.Conn

func (p pipe) Addr() net.Addr { return &net.UnixAddr{} }
func (p pipe) Close() error   { close(p); return nil }

func (p pipe) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

// The time that the web server gives a client to send its request and to take the answer is not that
// of the command.
func TestCommandsMayTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := testPage()
		p.Commands["drain"] = func(r *http.Request) error {
			select {
			case <-time.After(time.Minute):
				return nil
			case <-r.Context().Done():
				return r.Context().Err()
			}
		}
		server, l := web.New(p, hclog.NewNullLogger()), make(pipe, 1)
		server.Listen(l)
		defer server.Close()
		ours, its := net.Pipe()
		l <- its
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }}}
		response, err := client.Post("http://localhost:7070/drain?token=secret", "", strings.NewReader("{}"))
		require.NoError(t, err)
		defer response.Body.Close()
		require.Equal(t, http.StatusNoContent, response.StatusCode)
	})
}

func TestURLs(t *testing.T) {
	for _, c := range []struct{ host, at, url string }{
		{"localhost", "127.0.0.1:7070", "http://localhost:7070/?token=secret"},
		{"", "[::]:80", "http://localhost:80/?token=secret"},
		{"", "[::1]:80", "http://[::1]:80/?token=secret"},
	} {
		at, err := net.ResolveTCPAddr("tcp", c.at)
		require.NoError(t, err)
		p := testPage()
		p.Host = c.host
		require.Equal(t, c.url, p.URL(at))
		require.Equal(t, !at.IP.IsUnspecified(), IsLocal(at))
	}
}

// What a browser has to load stays small, and nothing of it is from elsewhere.
func TestFiles(t *testing.T) {
	entries, err := embedded.ReadDir("assets")
	require.NoError(t, err)
	script := 0
	for _, e := range entries {
		require.Contains(t, types, path.Ext(e.Name()))
		text, err := embedded.ReadFile("assets/" + e.Name())
		require.NoError(t, err)
		if path.Ext(e.Name()) == ".js" {
			script += len(text)
		}
		require.NotRegexp(t, `(src|href|url|import|from|fetch)[ (=]*["'](https?:)?//`, string(text), e.Name())
	}
	require.Less(t, script, 40<<10, "bytes of script")
}
