package terminal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// newLine has text with the cursor at the bar.
func newLine(text string) *line {
	head, tail, _ := strings.Cut(text, "|")
	return &line{text: head + tail, pos: len(head)}
}

func (l *line) String() string { return l.text[:l.pos] + "|" + l.text[l.pos:] }

func TestEdit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ before, key, after string }{
		{"ab|c", "\x1b[D", "a|bc"},
		{"|abc", "\x02", "|abc"},
		{"你好|", "\x1b[D", "你|好"},
		{"|你好", "\x1b[C", "你|好"},
		{"e\u0301|x", "\x1b[D", "|e\u0301x"},
		{"👩\u200d🚀|", "\x7f", "|"},
		{"abc|", "\x06", "abc|"},
		{"ab|c", "\x01", "|abc"},
		{"a|bc", "\x1b[4~", "abc|"},
		{"你|好", "\x7f", "|好"},
		{"|好", "\x7f", "|好"},
		{"你|好", "\x1b[3~", "你|"},
		{"one two|", "\x17", "one |"},
		{"one  |two", "\x17", "|two"},
		{"你好\u3000世界|", "\x17", "你好\u3000|"},
		{"你好 世界|!", "\x1bb", "你好 |世界!"},
		{"one| two three", "\x1bf", "one two| three"},
		{"one two |", "\x1b[1;5C", "one two |"},
		{"one| two", "\x15", "| two"},
		{"one| two", "\x0b", "one|"},
	} {
		l := newLine(test.before)
		edits[test.key](l)
		require.Equal(t, test.after, l.String(), "%q in %q", test.key, test.before)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	var l line
	for _, text := range []string{"one", "two", "two", ""} {
		l.set(text)
		require.Equal(t, text, l.take())
	}
	l.insert("draft")
	for _, step := range []struct {
		move func()
		want string
	}{
		{l.older, "two|"},
		{l.older, "one|"},
		{l.older, "one|"},
		{l.newer, "two|"},
		{l.newer, "draft|"},
		{l.newer, "draft|"},
	} {
		step.move()
		require.Equal(t, step.want, l.String())
	}
	l.older()
	l.insert("!") // changes what is typed, not what was
	l.take()
	require.Equal(t, []string{"one", "two", "two!"}, l.history)
	for range maxHistory {
		l.set("x")
		l.take()
		l.set("y")
		l.take()
	}
	require.Len(t, l.history, maxHistory)
}

func TestComplete(t *testing.T) {
	t.Parallel()
	words := []string{"/names", "/nick", "alice", "Bob", "date", "ls", "小明"}
	history := []string{"ls handlers", "ls 处理", "ls 处所", "date", "/msg alice hello"}
	for _, test := range []struct {
		before, after string
		choice        []string
	}{
		{before: "d|", after: "date|"},
		{before: "d| x", after: "date| x"},
		{before: "x|", after: "x|"},
		{before: "ls h|", after: "ls handlers|"},
		{before: "ls 处|", after: "ls 处|", choice: []string{"处所", "处理"}},
		{before: "ls|", after: "ls|", choice: []string{"ls", "ls handlers", "ls 处所", "ls 处理"}},
		{before: "/na|", after: "/names|"},
		{before: "/n|", after: "/n|", choice: []string{"/names", "/nick"}},
		{before: "/m|", after: "/msg alice hello|"},
		{before: "/msg B|", after: "/msg Bob|"},
		{before: "hello\u3000小|", after: "hello\u3000小明|"},
		{before: "hello |", after: "hello |"},
		{before: "|", after: "|"},
	} {
		l := newLine(test.before)
		l.history = history
		require.Equal(t, test.choice, l.complete(words), test.before)
		require.Equal(t, test.after, l.String())
	}
}

// What is shown has words, also those that Chinese surrounds, and does not grow for ever.
func TestWords(t *testing.T) {
	t.Parallel()
	var s shown
	s.add("alice: hi.\n-- in the room lobby: bob_, 小明-2\n欢迎guest2来到我们的聊天室!\nservers.hcl directory/empty /help")
	got := s.words()
	for _, word := range []string{"alice", "hi", "lobby", "bob_", "小明-2", "guest2", "servers.hcl", "directory", "empty", "/help"} {
		require.Contains(t, got, word)
	}
	for _, none := range []string{"--", "hi.", "/empty", ""} {
		require.NotContains(t, got, none)
	}
	for range 5 {
		s.add(strings.Repeat("words ", maxShown/6))
	}
	require.LessOrEqual(t, len(s.text), 2*maxShown)
	var l line
	l.set("w")
	require.Empty(t, l.complete(s.words()))
	require.Equal(t, "words", l.text)
}

// A flood of words does not flood the screen.
func TestManyOffers(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprint("word", i))
	}
	require.Len(t, newLine("word|").complete(many), maxOffers)
}

func TestView(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		line    string
		columns int
		want    string // with the cursor at the bar
	}{
		{"|", 40, "> |"},
		{"你好|", 40, "> 你好|"},
		{"你|好", 40, "> 你|好"},
		{"0123456789012345|", 20, "> 0123456789012345|"},
		{"0123456789012345678|", 20, "> 23456789012345678|"},
		{"你好世界你好世界你好|", 20, "> 世界你好世界你好|"},
		{"0123456|789012345678901234567890", 20, "> 0123456|7890123456"},
		{"01234567890123456789|01234567890123456789", 20, "> 890123456789|01234"},
		{"abc|", 6, "abc|"}, // no room for the prompt
	} {
		row, column := newLine(test.line).view("> ", test.columns)
		require.Less(t, column, test.columns)
		head := clip(row, column)
		require.Equal(t, test.want, head+"|"+row[len(head):])
	}
}

func TestDecodeKey(t *testing.T) {
	t.Parallel()
	for keys, want := range map[string]int{
		"a": 1, "ab": 1, "你好": 3, "\xe4\xbd": 0, "\xff": 1, "\x03": 1,
		"\x1b": 0, "\x1b[": 0, "\x1b[1;": 0, "\x1b[D": 3, "\x1b[1;5Dx": 6, "\x1bO": 0, "\x1bOA": 3,
		"\x1bb": 2, "\x1b你": 4, "\x1b\xe4": 0, "\x1b\x1b[D": 1,
	} {
		require.Equal(t, want, decodeKey([]byte(keys)), "%q", keys)
	}
	require.Equal(t, 50, decodeKey([]byte("\x1b["+strings.Repeat("1", 48)))) // is no key, and not kept
}
