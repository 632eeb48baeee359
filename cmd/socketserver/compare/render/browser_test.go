package render

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/browsertest"
)

const background = `getComputedStyle(document.body).backgroundColor`

// crossed are names of rows that reach into their values.
const crossed = `[...document.querySelectorAll(".chart li")].filter(row =>
	row.querySelector(".name").getBoundingClientRect().right > row.querySelector(".value").getBoundingClientRect().left
).map(row => row.textContent.trim())`

func TestPageInBrowser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.html")
	r := readReport(t)
	r.Subjects[1].Name = strings.Repeat("plugin-", 6)
	r.Loads[0].Results[1].Subject = r.Subjects[1].Name
	require.NoError(t, os.WriteFile(path, []byte(write(t, r, "html")), 0o600))
	b := browsertest.New(t)
	page := (&url.URL{Scheme: "file", Path: path}).String()
	for _, width := range []int64{360, 400, 1200} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d %s", width, scheme), func(t *testing.T) {
				b.Screen(width)
				b.Prefer(scheme, "")
				b.Open(page)
				require.False(t, browsertest.Evaluate[bool](b, browsertest.Overflowing))
				require.Empty(t, browsertest.Evaluate[[]string](b, crossed))
				require.Empty(t, browsertest.Evaluate[[]string](b, browsertest.Faint))
				back := browsertest.Evaluate[string](b, background)
				require.Equal(t, scheme == "light", back == "rgb(255, 255, 255)")
			})
		}
	}
	t.Run("paper", func(t *testing.T) {
		b.Screen(680) // A4 without its margins
		b.Prefer("dark", "print")
		b.Open(page)
		require.False(t, browsertest.Evaluate[bool](b, browsertest.Overflowing))
		require.Empty(t, browsertest.Evaluate[[]string](b, crossed))
		require.Empty(t, browsertest.Evaluate[[]string](b, browsertest.Faint))
		require.Equal(t, "rgb(255, 255, 255)", browsertest.Evaluate[string](b, background))
	})
	require.Empty(t, b.Complaints())
}
