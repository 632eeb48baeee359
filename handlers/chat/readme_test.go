package chat_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

// The conversations that the README shows take place as they stand there.
func TestConversations(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	modes := []string{`{"commands": true, "history": 20}`, `{"mode": "pairs"}`, `{"mode": "half-duplex"}`}
	conversations := strings.Split(string(text), "```text\n")[1:]
	require.Len(t, conversations, len(modes))
	for i, c := range conversations {
		c, _, _ = strings.Cut(c, "```")
		replay(t, serveDesk(t, modes[i]), c)
	}
}

func replay(t *testing.T, s *framework.BaseServer, conversation string) {
	people := map[string]*client{}
	for line := range strings.Lines(conversation) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		rest = strings.TrimSpace(rest)
		direction, said := rest[:1], strings.TrimSpace(rest[1:])
		if strings.Contains(said, "('127.0.0.1', 51034)") {
			if people["client"] == nil {
				people["client"] = dial(t, s)
			}
			said = strings.ReplaceAll(said, "('127.0.0.1', 51034)", people["client"].address())
		}
		if people[name] == nil && name == "operator" {
			people[name] = dialOperator(t)
		} else if people[name] == nil {
			people[name] = dial(t, s)
		}
		c := people[name]
		if direction == ">" {
			c.say(said + "\n")
			continue
		}
		for next, err := c.rfile.Peek(1); err == nil && next[0] == '\n'; next, err = c.rfile.Peek(1) {
			_, _ = c.rfile.Discard(1) // of the message before
		}
		c.hears(said)
	}
}
