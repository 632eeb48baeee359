package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestChineseREADME requires the blocks, commands, links and headings of README.md in the Chinese
// translation. TestShipped runs them in README.md.
func TestChineseREADME(t *testing.T) {
	const original, translation = "../../README.md", "../../README.zh-CN.md"
	want, got := fences(t, original), fences(t, translation)
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i].language, got[i].language, "line %d of the translation", got[i].line)
		require.Equal(t, withoutComments(want[i]), withoutComments(got[i]), "line %d of the translation", got[i].line)
	}
	for name, pattern := range map[string]*regexp.Regexp{
		"headings": regexp.MustCompile(`(?m)^#+ `),
		"picture":  regexp.MustCompile(`(?m)^    .*$`),
		"code":     regexp.MustCompile("`[^`\n]+`"),
		"links":    regexp.MustCompile(`\]\(([^)]+)\)`),
		"ports":    regexp.MustCompile(`(?m)^\| [\d, ]+ \| [^|]+ \| [^|]+ \|`),
	} {
		require.Equal(t, found(t, original, pattern), found(t, translation, pattern), "the %s differ", name)
	}
}

// The Chinese lesson has the blocks of the English one, and its scenarios.
func TestChineseLesson(t *testing.T) {
	const original, translation = "../../docs/lesson.md", "../../docs/lesson.zh-CN.md"
	want, got := fences(t, original), fences(t, translation)
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, withoutComments(want[i]), withoutComments(got[i]), "line %d of the translation", got[i].line)
	}
	headings := regexp.MustCompile(`(?m)^#+ `)
	require.Equal(t, found(t, original, headings), found(t, translation, headings))
}

// comment is one at the end of a line, or a whole line.
var comment = regexp.MustCompile(`(?m)(^|[ \t]+)(#|//) .*$`)

// withoutComments returns the block with empty comments: those are translated.
func withoutComments(f fence) string { return comment.ReplaceAllString(f.text, "$2") }

// found returns what a pattern finds in the prose of a file, in alphabetical order: in another
// language a sentence has another one. Each README links to the other.
func found(t *testing.T, file string, pattern *regexp.Regexp) []string {
	t.Helper()
	src, err := os.ReadFile(file)
	require.NoError(t, err)
	prose := regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(string(src), "")
	prose = strings.NewReplacer("(README.zh-CN.md)", "(README)", "(README.md)", "(README)").Replace(prose)
	all := pattern.FindAllString(prose, -1)
	require.NotEmpty(t, all)
	slices.Sort(all)
	return all
}
