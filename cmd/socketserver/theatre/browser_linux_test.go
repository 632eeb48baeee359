package theatre

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os/exec"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/page"
)

// newBrowser starts Chromium if it is installed.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		program, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		ctx, cancel := chromedp.NewExecAllocator(t.Context(), chromedp.ExecPath(program), chromedp.Headless, chromedp.NoSandbox,
			chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-background-networking", true),
			chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
		t.Cleanup(cancel)
		ctx, cancel = chromedp.NewContext(ctx)
		t.Cleanup(cancel)
		return ctx
	}
	t.Skip("chromium is not installed: the page is not looked at")
	return nil
}

func call[P, R any](t *testing.T, ctx context.Context, command cdp.Command[P, R], parameters P) {
	t.Helper()
	_, err := chromedp.Call(ctx, command, parameters)
	require.NoError(t, err)
}

func evaluate[R any](t *testing.T, ctx context.Context, expression string) R {
	t.Helper()
	found, err := chromedp.Run(ctx, chromedp.Evaluate[R](expression))
	require.NoError(t, err)
	return found
}

// become waits until an expression is true, which it looks at whenever the page draws.
func become(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	script := fmt.Sprintf(`new Promise(done => { const look = () => { let is; try { is = %s } catch {} is ? done(true) : requestAnimationFrame(look) }; look() })`, expression)
	answer, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: script, AwaitPromise: new(true)})
	require.NoError(t, err, expression)
	require.Nil(t, answer.ExceptionDetails, expression)
}

// problems collects the errors of the page.
func problems(t *testing.T, ctx context.Context) func() []string {
	t.Helper()
	var mu sync.Mutex
	var all []string
	require.NoError(t, chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventConsoleAPICalled:
			all = append(all, string(e.Type))
		case *runtime.EventExceptionThrown:
			all = append(all, e.ExceptionDetails.Text)
		case *cdplog.EventEntryAdded:
			all = append(all, e.Entry.Text)
		}
	}))
	call(t, ctx, cdplog.Enable, cdp.Empty{})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// nameless are controls that a screen reader cannot name.
const nameless = `[...document.querySelectorAll("button, a, input, select, canvas")].filter(e => e.checkVisibility() && !e.closest("[aria-hidden]") &&
	!(e.ariaLabel || e.textContent.trim() || e.title || e.closest("label"))).map(e => e.outerHTML)`

// A browser shows clients that are really there, and has a process die by the keyboard alone. Its figures
// are those of the servers.
func TestTheatreInBrowser(t *testing.T) {
	ctx := newBrowser(t)
	s := open(t, "threading", "forking")
	s.pace = 1
	p := &page.Page{Token: page.NewToken(), Events: s.Feed, Commands: s.Commands()}
	server := httptest.NewServer(p)
	defer server.CloseClientConnections()
	said := problems(t, ctx)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(p.URL(server.Listener.Addr()))))
	become(t, ctx, `!document.querySelector("#theatre").hidden`)
	become(t, ctx, `document.querySelector("#left h2").textContent == "threading"`)

	key := func(name string) {
		evaluate[bool](t, ctx, fmt.Sprintf(`document.body.dispatchEvent(new KeyboardEvent("keydown", {key: %q, bubbles: true}))`, name))
	}
	key("1")
	for i, name := range []string{"theatre/threading", "theatre/forking"} {
		become(t, ctx, fmt.Sprintf(`[...page.model.scene(%q).conns.values()].some(c => c.n == 1 && c.pid)`, name))
		s.mu.Lock()
		for _, c := range s.sides[i].clients {
			require.Equal(t, 1, c.n)
		}
		s.mu.Unlock()
	}
	for _, width := range []int64{1920, 1280, 390} {
		call(t, ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 800, DeviceScaleFactor: 1})
		require.False(t, evaluate[bool](t, ctx, `document.documentElement.scrollWidth > innerWidth`), width)
		require.Empty(t, evaluate[[]string](t, ctx, nameless), width)
	}

	key("x")
	become(t, ctx, `document.querySelector("#ask").open`)
	evaluate[int](t, ctx, `[...document.querySelectorAll("#ask input[value='1']")].map(e => e.checked = true).length`)
	evaluate[bool](t, ctx, `document.querySelector("#ask form").requestSubmit(document.querySelector("#ok")), true`)
	become(t, ctx, `document.querySelector("#left .right") && document.querySelector("#right .wrong")`)
	become(t, ctx, `[...page.model.scene("theatre/threading").procs.values()].some(p => p.te && p.cause == "os.Exit(3)")`)
	become(t, ctx, `!document.querySelector("#left .again").hidden`)
	become(t, ctx, `page.model.frame.servers.every(s => s.active == 0)`)
	for i, side := range []string{"left", "right"} {
		s.mu.Lock()
		r := s.sides[i].row
		s.mu.Unlock()
		at := map[string]string{"left": "first", "right": "last"}[side]
		become(t, ctx, fmt.Sprintf(`document.querySelector("#answered td:%s-child b").textContent == %d`, at, r.Answered))
		become(t, ctx, fmt.Sprintf(`document.querySelector("#cut td:%s-child b").textContent == %d`, at, r.Cut))
	}
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(p.URL(server.Listener.Addr())+"#/stage/theatre%2Fforking")))
	become(t, ctx, `document.querySelector(".one h2").textContent.includes("forking")`)
	require.Empty(t, said())
}
