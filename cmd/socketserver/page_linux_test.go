package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/browsertest"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page/feed"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A watched is the page of a daemon, as a browser has it.
type watched struct {
	url    *url.URL
	frames *bufio.Scanner
	last   feed.Frame
}

// watchPage opens the page that a daemon has logged.
func watchPage(t *testing.T, address string) *watched {
	t.Helper()
	at, err := url.Parse(address)
	require.NoError(t, err)
	w := &watched{url: at}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.at("events"), nil)
	require.NoError(t, err)
	stream, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { stream.Body.Close() })
	require.Equal(t, http.StatusOK, stream.StatusCode)
	w.frames = bufio.NewScanner(stream.Body)
	w.frames.Buffer(nil, 1<<20)
	return w
}

// at returns the address of a part of the page.
func (w *watched) at(name string) string {
	return w.url.ResolveReference(&url.URL{Path: "/" + name, RawQuery: w.url.RawQuery}).String()
}

// post runs a command and returns the status.
func (w *watched) post(t *testing.T, name string, what any) int {
	t.Helper()
	text, err := json.Marshal(what)
	require.NoError(t, err)
	answer, err := http.Post(w.at(name), "application/json", strings.NewReader(string(text)))
	require.NoError(t, err)
	answer.Body.Close()
	return answer.StatusCode
}

// await reads frames until one has what is wanted, which is returned with the events before it.
func (w *watched) await(t *testing.T, what string, wanted func(feed.Frame) bool) (events []feed.Event) {
	t.Helper()
	for w.frames.Scan() {
		data, ok := strings.CutPrefix(w.frames.Text(), "data: ")
		if !ok {
			continue
		}
		w.last = feed.Frame{}
		require.NoError(t, json.Unmarshal([]byte(data), &w.last))
		require.True(t, slices.IsSortedFunc(w.last.Events, func(a, b feed.Event) int { return int(10*a.T) - int(10*b.T) }))
		events = append(events, w.last.Events...)
		if wanted(w.last) {
			return events
		}
	}
	t.Fatalf("no frame has %s: %v", what, w.frames.Err())
	return nil
}

// awaitEvent returns the events up to one of a kind.
func (w *watched) awaitEvent(t *testing.T, kind string) (events []feed.Event, e feed.Event) {
	t.Helper()
	is := func(e feed.Event) bool { return e.K == kind }
	events = w.await(t, kind, func(f feed.Frame) bool { return slices.ContainsFunc(f.Events, is) })
	return events, events[slices.IndexFunc(events, is)]
}

// A connection that is really there is in a frame within a second of the feed's time, with the process
// that serves it. Killed over the page, that ends before its client does.
func TestPageShowsAndKillsWhatIsThere(t *testing.T) {
	const block = "page {\n  address = \"localhost:0\"\n}\n"
	r := reloadable(t, block+timestamps(`"forking" {}`, "", ""))
	w := watchPage(t, r.await(t, "page")["url"].(string))
	w.await(t, "anything", func(feed.Frame) bool { return true })
	opened := w.last.T

	conn := dial(t, r.listeners[0])
	require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
	events, started := w.awaitEvent(t, "started")
	require.Equal(t, "process", started.Where)
	require.Less(t, started.T-opened, 20_000.0)
	accepted := events[slices.IndexFunc(events, func(e feed.Event) bool { return e.K == "accepted" })]
	require.Equal(t, conn.LocalAddr().String(), accepted.Peer)
	require.Equal(t, started.C, accepted.C)
	w.await(t, "the child", func(f feed.Frame) bool { return len(f.Servers[0].Children) == 1 && f.Servers[0].Active == 1 })
	child := w.last.Servers[0].Children[0]
	require.Equal(t, []any{started.Pid, "child", 1}, []any{child.Pid, child.Kind, child.Active})
	require.NotZero(t, child.RSS)

	require.Equal(t, http.StatusConflict, w.post(t, "kill", map[string]any{"server": "s", "pid": r.Process.Pid}), "not the daemon itself")
	require.Equal(t, http.StatusNoContent, w.post(t, "kill", map[string]any{"server": "s", "pid": child.Pid}))
	requireEnd(t, conn)
	events, ended := w.awaitEvent(t, "ended")
	died := slices.IndexFunc(events, func(e feed.Event) bool { return e.K == "died" })
	require.GreaterOrEqual(t, died, 0)
	require.Less(t, died, slices.IndexFunc(events, func(e feed.Event) bool { return e.K == "ended" }))
	require.Equal(t, []any{child.Pid, "SIGKILL", 1}, []any{events[died].Pid, events[died].Cause, events[died].Cut})
	require.Equal(t, []any{accepted.C, "cut", "SIGKILL"}, []any{ended.C, ended.Outcome, ended.Cause})

	for _, c := range []struct{ action, state string }{{"suspend", "suspended"}, {"resume", "serving"}} {
		require.Equal(t, http.StatusNoContent, w.post(t, "servers", map[string]string{"server": "s", "action": c.action}))
		w.await(t, c.state, func(f feed.Frame) bool { return f.Servers[0].State == c.state })
	}
	require.EqualValues(t, 1, w.last.Servers[0].Cut)
	r.reloadPages(t, w, block)
}

// reloadPages has the page stay, become read only, go and come with reloads.
func (r *reloader) reloadPages(t *testing.T, w *watched, block string) {
	t.Helper()
	server := timestamps(`"forking" {}`, "", "")
	before := w.last.Seq
	r.reload(t, block+server+"# the same\n")
	w.await(t, "the next one", func(f feed.Frame) bool { return f.Seq == before+1 })

	r.reload(t, strings.Replace(block, "}", "read_only = true\n}", 1)+server)
	w = watchPage(t, r.await(t, "page")["url"].(string))
	w.await(t, "a page that is read only", func(f feed.Frame) bool { return f.Readonly })
	require.Equal(t, http.StatusForbidden, w.post(t, "servers", map[string]string{"server": "s", "action": "suspend"}))

	r.reload(t, server)
	_, err := net.Dial("tcp", w.url.Host)
	require.Error(t, err)
	r.write(t, strings.Replace(block, "localhost:0", "192.0.2.1:1", 1)+server)
	_, problems, err := r.command("reload")
	require.Error(t, err)
	require.Contains(t, problems, "192.0.2.1")
	require.Equal(t, "hello", askOnce(t, r.listeners[0], "hello"))
}

func TestPageFlags(t *testing.T) {
	echo := []string{"--listen", "tcp://localhost:0", "--handler", "echo", "--read-only"}
	for _, page := range [][]string{{"--page=localhost:0"}, {"--page", "localhost:0"}} {
		p, _ := serveArgs(t, append(slices.Clone(echo), page...)...)
		w := watchPage(t, p.await(t, "page")["url"].(string))
		w.await(t, "the server", func(f feed.Frame) bool { return f.Readonly && len(f.Servers) == 1 })
	}
	for _, c := range []struct{ args, message string }{
		{"serve --read-only", "--read-only belongs to --page"},
		{"serve --page nowhere", "--page nowhere: "},
		{"serve localhost:0", "takes no arguments"},
	} {
		var problems strings.Builder
		require.Equal(t, exitUsage, run(strings.Fields(c.args), strings.NewReader(""), &problems, &problems), c.args)
		require.Contains(t, problems.String(), c.message, fmt.Sprint(c.args))
	}
}

// A browser enters a room over the page, which the room's own check of origins does not let in. Its
// connection ends with the page.
func TestPageChats(t *testing.T) {
	const block = "page {\n  address = \"localhost:0\"\n}\n"
	room := `server "room" {
  transport "tcp" { address = "127.0.0.1:0" }
  transport "websocket" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "chat" { commands = true }
}
server "echo" {
  transport "websocket" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "echo" {}
}
`
	r := reloadable(t, block+room)
	w := watchPage(t, r.await(t, "page")["url"].(string))
	w.await(t, "a room", func(f feed.Frame) bool { return len(f.Servers) == 2 && f.Servers[0].Chat })
	require.False(t, w.last.Servers[1].Chat)
	enter := func(server, origin string) (net.Conn, error) {
		at := strings.Replace(w.at("chat"), "http:", "ws:", 1) + "&server=" + server
		browser := ws.Dialer{Header: ws.HandshakeHeaderHTTP{"Origin": {origin}}}
		c, _, _, err := browser.Dial(t.Context(), at)
		return c, err
	}
	_, err := enter("room", "http://evil.example")
	require.ErrorContains(t, err, "403")
	_, err = enter("none", "http://"+w.url.Host)
	require.ErrorContains(t, err, "404")
	page, err := enter("room", "http://"+w.url.Host)
	require.NoError(t, err)
	defer page.Close()
	require.NoError(t, wsutil.WriteClientText(page, []byte("/nick alice")))
	for line := []byte(nil); !strings.Contains(string(line), "alice"); {
		line, err = wsutil.ReadServerText(page)
		require.NoError(t, err)
	}
	plain := dial(t, r.listeners[0])
	require.NoError(t, plain.SetDeadline(time.Now().Add(frameworktest.Patience)))
	lines := bufio.NewScanner(plain)
	for lines.Scan() && !strings.Contains(lines.Text(), "alice") {
	}
	require.NoError(t, wsutil.WriteClientText(page, []byte("from a page")))
	require.True(t, lines.Scan())
	require.Contains(t, lines.Text(), "from a page")

	r.reload(t, room)
	for err = nil; err == nil; {
		_, err = wsutil.ReadServerText(page)
	}
	require.True(t, lines.Scan())
	require.Contains(t, lines.Text(), "alice", "it has left")
}

// In a browser a client is on the stage, a process that is killed with the mouse turns grey, and a room has
// the page and a plain client in it.
func TestPageInBrowser(t *testing.T) {
	b := browsertest.New(t)
	p, listeners := serveFile(t, `page { address = "localhost:0" }
server "forks" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "forking" {}
  handler "echo" {}
}
server "room" {
  transport "tcp" { address = "127.0.0.1:0" }
  transport "websocket" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "chat" { commands = true }
}
`)
	url := p.await(t, "page")["url"].(string)
	b.Open(url)
	b.Await(`document.querySelectorAll("#servers tbody tr").length == 2`)
	b.RequireReadable()

	conn := dial(t, listeners[0])
	require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
	b.Open(url + "#/stage/forks")
	b.Await(`[...page.model.scene("forks").conns.values()].some(c => c.pid)`)
	b.Await(`document.querySelectorAll(".one .proc").length == 2`) // the parent and its child
	b.RequireReadable()
	browsertest.Evaluate[bool](b, `document.querySelectorAll(".one .proc")[1].click(), true`)
	b.Await(`document.querySelector("#ask").open`)
	browsertest.Evaluate[bool](b, `document.querySelector("#ok").click(), true`)
	requireEnd(t, conn)
	b.Await(`[...page.model.scene("forks").procs.values()].some(p => p.te && p.cause == "SIGKILL" && p.cut == 1)`)

	b.Open(url + "#/chat/room")
	b.Await(`document.querySelectorAll("#lines li").length > 0`)
	browsertest.Evaluate[bool](b, `document.querySelector("#text").value = "from a browser", document.querySelector("#say").requestSubmit(), true`)
	b.Await(`document.querySelector("#lines .mine").textContent == "from a browser"`)
	plain := dial(t, listeners[1])
	frameworktest.Send(t, plain, "from a socket\n")
	b.Await(`[...document.querySelectorAll("#lines li")].some(li => li.textContent.endsWith("from a socket"))`)
	b.RequireReadable()
	browsertest.Evaluate[bool](b, `document.querySelector("#text").value = "goodbye", document.querySelector("#say").requestSubmit(), true`)
	require.NoError(t, plain.SetReadDeadline(time.Now().Add(frameworktest.Patience)))
	lines := bufio.NewScanner(plain)
	for lines.Scan() && !strings.HasSuffix(lines.Text(), "goodbye") {
	}
	require.NoError(t, lines.Err())
	require.Empty(t, b.Complaints())
}

// A page that has shown a server with 1,000 connections for a while takes no more memory for another while,
// neither here nor there.
func TestWatchingTakesNoMoreMemory(t *testing.T) {
	minutes := often(0, 3)
	if minutes == 0 {
		t.Skip("it takes minutes")
	}
	b := browsertest.New(t)
	p, listeners := serveFile(t, `page { address = "localhost:0" }
server "echo" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "echo" {}
  limits {
    connections = 2000
    per_source  = 0
  }
}
`)
	for range 1000 {
		require.Equal(t, "hello", frameworktest.Ask(t, dial(t, listeners[0]), "hello"))
	}
	done := make(chan error, 1)
	go func() { // more come and go
		for next := time.NewTicker(10 * time.Millisecond); t.Context().Err() == nil; <-next.C {
			c, err := net.Dial("tcp", listeners[0].address)
			if err == nil {
				_, err = c.Write([]byte("hello"))
			}
			if err == nil {
				_, err = c.Read(make([]byte, 8))
			}
			if err != nil {
				done <- err
				return
			}
			_ = c.Close()
		}
		done <- nil
	}()
	b.Open(p.await(t, "page")["url"].(string) + "#/stage/echo")
	b.Await(`page.model.scene("echo").row.active > 1000`)
	begun := browsertest.Evaluate[float64](b, `page.model.frame.t`)
	type memory struct{ page, daemon, nodes int64 }
	measure := func(minute int) (m memory) {
		b.Await(fmt.Sprintf(`page.model.frame.t > %f`, begun+float64(minute)*60_000))
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
		require.NoError(t, err)
		_, err = fmt.Sscanf(string(status[strings.Index(string(status), "VmRSS:"):]), "VmRSS: %d", &m.daemon)
		require.NoError(t, err)
		m.daemon *= 1024
		m.page, m.nodes = b.Heap(), browsertest.Evaluate[int64](b, `document.querySelectorAll("*").length`)
		t.Logf("after %d minutes: page %d KiB, %d elements; daemon %d KiB", minute, m.page/1024, m.nodes, m.daemon/1024)
		return m
	}
	first := measure(2) // the page remembers the last one
	last := first
	for minute := 3; minute <= 2+minutes; minute++ {
		last = measure(minute)
	}
	require.Less(t, last.page, first.page*5/4)
	require.Less(t, last.daemon, first.daemon*5/4)
	require.Less(t, last.nodes, first.nodes+20)
	require.Empty(t, done)
}
