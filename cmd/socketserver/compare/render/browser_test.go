package render

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// newBrowser starts Chromium if it is installed, with a profile of its own and without network access
// in the background.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("chromium is not installed: the page is not looked at")
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// complaints collects the messages of the console.
func complaints(t *testing.T, ctx context.Context) func() []string {
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

// show opens the page as on a screen of that width.
func show(t *testing.T, ctx context.Context, page string, width int64, scheme string) {
	t.Helper()
	call(t, ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: 800, DeviceScaleFactor: 1, Mobile: width < 500,
	})
	call(t, ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(page)))
}

// overflowing is whether the page can be scrolled sideways.
const overflowing = `document.documentElement.scrollWidth > document.documentElement.clientWidth`

const background = `getComputedStyle(document.body).backgroundColor`

// crossed are names of rows that reach into their values.
const crossed = `[...document.querySelectorAll(".chart li")].filter(row =>
	row.querySelector(".name").getBoundingClientRect().right > row.querySelector(".value").getBoundingClientRect().left
).map(row => row.textContent.trim())`

// faint are texts with a contrast of less than 4.5 to 1.
const faint = `(() => {
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
		if (!walker.currentNode.textContent.trim()) continue;
		const style = getComputedStyle(element);
		const [a, b] = [light(style.color), light(behind(element))];
		if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5) found.push(element.textContent);
	}
	return found;
})()`

func TestPageInBrowser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.html")
	r := readReport(t)
	r.Subjects[1].Name = strings.Repeat("plugin-", 6)
	r.Loads[0].Results[1].Subject = r.Subjects[1].Name
	require.NoError(t, os.WriteFile(path, []byte(write(t, r, "html")), 0o600))
	ctx := newBrowser(t)
	said := complaints(t, ctx)
	page := (&url.URL{Scheme: "file", Path: path}).String()
	for _, width := range []int64{360, 400, 1200} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d %s", width, scheme), func(t *testing.T) {
				show(t, ctx, page, width, scheme)
				require.False(t, evaluate[bool](t, ctx, overflowing))
				require.Empty(t, evaluate[[]string](t, ctx, crossed))
				require.Empty(t, evaluate[[]string](t, ctx, faint))
				back := evaluate[string](t, ctx, background)
				require.Equal(t, scheme == "light", back == "rgb(255, 255, 255)")
			})
		}
	}
	t.Run("paper", func(t *testing.T) {
		show(t, ctx, page, 680, "dark") // A4 without its margins
		call(t, ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media:    "print",
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
		})
		require.False(t, evaluate[bool](t, ctx, overflowing))
		require.Empty(t, evaluate[[]string](t, ctx, crossed))
		require.Empty(t, evaluate[[]string](t, ctx, faint))
		require.Equal(t, "rgb(255, 255, 255)", evaluate[string](t, ctx, background))
	})
	require.Empty(t, said())
}
