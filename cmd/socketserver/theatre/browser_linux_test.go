package theatre

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/browsertest"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page"
)

// A browser shows clients that are really there, and has a process die by the keyboard alone. Its figures
// are those of the servers.
func TestTheatreInBrowser(t *testing.T) {
	b := browsertest.New(t)
	s := open(t, "threading", "forking")
	s.pace = 1
	p := &page.Page{Token: page.NewToken(), Events: s.Feed, Commands: s.Commands()}
	server := httptest.NewServer(p)
	defer server.CloseClientConnections()
	b.Open(p.URL(server.Listener.Addr()))
	b.Await(`!document.querySelector("#theatre").hidden`)
	b.Await(`document.querySelector("#left h2").textContent == "threading"`)

	key := func(name string) {
		browsertest.Evaluate[bool](b, fmt.Sprintf(`document.body.dispatchEvent(new KeyboardEvent("keydown", {key: %q, bubbles: true}))`, name))
	}
	key("1")
	for i, name := range []string{"theatre/threading", "theatre/forking"} {
		b.Await(fmt.Sprintf(`[...page.model.scene(%q).conns.values()].some(c => c.n == 1 && c.pid)`, name))
		s.mu.Lock()
		for _, c := range s.sides[i].clients {
			require.Equal(t, 1, c.n)
		}
		s.mu.Unlock()
	}
	b.RequireReadable()

	key("x")
	b.Await(`document.querySelector("#ask").open`)
	browsertest.Evaluate[int](b, `[...document.querySelectorAll("#ask input[value='1']")].map(e => e.checked = true).length`)
	browsertest.Evaluate[bool](b, `document.querySelector("#ask form").requestSubmit(document.querySelector("#ok")), true`)
	b.Await(`document.querySelector("#left .right") && document.querySelector("#right .wrong")`)
	b.Await(`[...page.model.scene("theatre/threading").procs.values()].some(p => p.te && p.cause == "os.Exit(3)")`)
	b.Await(`!document.querySelector("#left .again").hidden`)
	b.Await(`page.model.frame.servers.every(s => s.active == 0)`)
	for i, side := range []string{"left", "right"} {
		s.mu.Lock()
		r := s.sides[i].row
		s.mu.Unlock()
		at := map[string]string{"left": "first", "right": "last"}[side]
		b.Await(fmt.Sprintf(`document.querySelector("#answered td:%s-child b").textContent == %d`, at, r.Answered))
		b.Await(fmt.Sprintf(`document.querySelector("#cut td:%s-child b").textContent == %d`, at, r.Cut))
	}
	b.Open(p.URL(server.Listener.Addr()) + "#/stage/theatre%2Fforking")
	b.Await(`document.querySelector(".one h2").textContent.includes("forking")`)
	b.RequireReadable()
	require.Empty(t, b.Complaints())
}
