package render

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPageEscapes(t *testing.T) {
	r := readReport(t)
	spoil(r)
	page := write(t, r, "html")
	require.NotContains(t, strings.ToLower(page), "<script")
	require.Contains(t, page, "&lt;script&gt;alert(1)&lt;/script&gt;")
	require.NotContains(t, page, "ZgotmplZ", "the template took a value for unsafe in its place")
}

func TestPageLoadsNothing(t *testing.T) {
	page := write(t, readReport(t), "html")
	require.Contains(t, page, `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`)
	require.NotRegexp(t, `(?i)https?:|<link|<img|<iframe|src=|url\(|@import|\son[a-z]+=|javascript:`, page)
	require.NotRegexp(t, `\sstyle=`, page)
}

func TestPageIsAccessible(t *testing.T) {
	page := write(t, readReport(t), "html")
	require.Contains(t, page, `<html lang="en">`)
	require.Regexp(t, `<title>Strategies compared: .+</title>`, page)

	level := 0
	for _, m := range regexp.MustCompile(`<h([1-6])`).FindAllStringSubmatch(page, -1) {
		next := int(m[1][0] - '0')
		require.LessOrEqual(t, next, level+1, "a level is left out")
		level = next
	}

	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(`\sid="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		require.False(t, ids[m[1]], "two have the id %s", m[1])
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`(?:aria-labelledby="|href="#)([^"]*)"`).FindAllStringSubmatch(page, -1) {
		for id := range strings.FieldsSeq(m[1]) {
			require.True(t, ids[id], "there is no %s", id)
		}
	}
	require.Equal(t, 45, strings.Count(page, `<svg viewBox`), "nine subjects, on top and in two charts for each of two loads")
	require.Equal(t, 45, strings.Count(page, `aria-hidden="true"`), "the name and the value beside a bar say the same")
	require.NotRegexp(t, `<th(>| [^s])`, page, "each heading of a table says of what")
}

func TestPageHasAll(t *testing.T) {
	r := readReport(t)
	page := write(t, r, "html")
	for _, want := range []string{
		"AMD EPYC 7763", "Linux 6.18.2", "go1.26.8", "v0.3.0", "32f1c8b04d7a", "--assert &#39;threading.p99&lt;50ms&#39;",
		"no such file or directory", "24 of 64 clients got no answer", "12.9 k/s", "max_requests = 100", "[○] [●] [●] [●]",
	} {
		require.Contains(t, page, want)
	}
	for _, m := range r.Mishaps {
		require.Contains(t, page, m.Title)
	}
}
