// Package browsertest looks at pages in headless Chromium.
package browsertest

import (
	"context"
	"fmt"
	"os/exec"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/heapprofiler"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// Expressions of what a page may not have.
const (
	// Overflowing reports whether the page can be scrolled sideways.
	Overflowing = `document.documentElement.scrollWidth > document.documentElement.clientWidth`

	// Nameless are controls that a screen reader cannot name.
	Nameless = `[...document.querySelectorAll("button, a, input, select, canvas")].filter(e => e.checkVisibility() && !e.closest("[aria-hidden]") &&
	!(e.ariaLabel || e.textContent.trim() || e.title || e.closest("label"))).map(e => e.outerHTML)`

	// Faint are visible texts with a contrast of less than 4.5 to 1.
	Faint = `(() => {
	const parse = color => color.match(/[\d.]+/g).map(Number);
	const light = color => parse(color).slice(0, 3).map(v => v / 255)
		.map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = element => {
		for (; element; element = element.parentElement) {
			const color = getComputedStyle(element).backgroundColor;
			if ((parse(color)[3] ?? 1) > 0) return color;
		}
		return "rgb(255, 255, 255)";
	};
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
	while (walker.nextNode()) {
		const element = walker.currentNode.parentElement;
		if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
		const style = getComputedStyle(element);
		const [a, b] = [light(style.color), light(behind(element))];
		if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5) found.push(element.textContent);
	}
	return found;
})()`
)

// A Browser shows one page at a time. It ends with the test.
type Browser struct {
	t   testing.TB
	ctx context.Context

	mu   sync.Mutex
	said []string
}

// New starts Chromium with a profile of its own and without network access in the background. The test
// is skipped where it is not installed.
func New(t testing.TB) *Browser {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		program, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		ctx, cancel := chromedp.NewExecAllocator(t.Context(), chromedp.ExecPath(program), chromedp.Headless, chromedp.NoSandbox,
			chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true),
			chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
		t.Cleanup(cancel)
		ctx, cancel = chromedp.NewContext(ctx)
		t.Cleanup(cancel)
		b := &Browser{t: t, ctx: ctx}
		require.NoError(t, chromedp.Listen(ctx, b.hear))
		call(b, cdplog.Enable, cdp.Empty{})
		return b
	}
	t.Skip("chromium is not installed: the page is not looked at")
	return nil
}

func (b *Browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		b.said = append(b.said, string(e.Type))
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, e.ExceptionDetails.Text)
	case *cdplog.EventEntryAdded:
		b.said = append(b.said, e.Entry.Text)
	}
}

// Complaints returns what the console and exceptions have said.
func (b *Browser) Complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said
}

func call[P, R any](b *Browser, command cdp.Command[P, R], parameters P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, frameworktest.Patience)
	defer cancel()
	answer, err := chromedp.Call(ctx, command, parameters)
	require.NoError(b.t, err, "%+v", parameters)
	return answer
}

// Evaluate returns the value of an expression.
func Evaluate[R any](b *Browser, expression string) R {
	b.t.Helper()
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[R](expression))
	require.NoError(b.t, err, expression)
	return found
}

// Await waits until an expression is true, which it looks at whenever the page draws.
func (b *Browser) Await(expression string) {
	b.t.Helper()
	script := fmt.Sprintf(`new Promise(done => { const look = () => { let is; try { is = %s } catch {} is ? done(true) : requestAnimationFrame(look) }; look() })`, expression)
	answer := call(b, runtime.Evaluate, runtime.EvaluateParams{Expression: script, AwaitPromise: new(true)})
	require.Nil(b.t, answer.ExceptionDetails, expression)
}

// Open navigates to a page.
func (b *Browser) Open(url string) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.Navigate(url)))
}

// Screen makes the screen as wide as that, a phone's below 500 pixels, and waits until the page has drawn
// itself on it.
func (b *Browser) Screen(width int64) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 800, DeviceScaleFactor: 1, Mobile: width < 500})
	b.Await("(window.drawn = (window.drawn ?? 0) + 1) % 3 == 0") // a whole frame lies between
}

// Heap returns the memory of the page's objects in bytes, without garbage.
func (b *Browser) Heap() int64 {
	b.t.Helper()
	call(b, heapprofiler.CollectGarbage, cdp.Empty{})
	return int64(call(b, runtime.GetHeapUsage, cdp.Empty{}).UsedSize)
}

// Prefer makes the colours light or dark, and the medium "print" or, if it is empty, the screen.
func (b *Browser) Prefer(scheme, medium string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Media:    medium,
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// RequireReadable fails the test if the page is too wide, has text that is too faint or a control without a
// name, on a screen of each size and in both schemes.
func (b *Browser) RequireReadable() {
	b.t.Helper()
	for _, width := range []int64{390, 1280, 1920} {
		b.Screen(width)
		for _, scheme := range []string{"light", "dark"} {
			b.Prefer(scheme, "")
			require.False(b.t, Evaluate[bool](b, Overflowing), "%d %s", width, scheme)
			require.Empty(b.t, Evaluate[[]string](b, Faint), "%d %s", width, scheme)
			require.Empty(b.t, Evaluate[[]string](b, Nameless), "%d %s", width, scheme)
		}
	}
}
