package logline

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
)

// relayed is what is logged of output, as text or as JSON.
func relayed(output string, asJSON bool) string {
	var book bytes.Buffer
	log := hclog.New(&hclog.LoggerOptions{Output: &book, Level: hclog.Trace, DisableTime: true, JSONFormat: asJSON})
	NewRelay(log).Copy(strings.NewReader(output))
	return book.String()
}

func TestLines(t *testing.T) {
	for output, want := range map[string]string{
		"plain\n":      "[INFO]  plain\n",
		"two\r\nlines": "[INFO]  two\n[INFO]  lines\n",
		"\n\n\n":       "",
		`{"@level":"warn","@message":"full","@module":"x","free":3}`: "[WARN]  full: free=3\n",
		`{"@level":"off","@message":"quiet"}`:                        "[INFO]  quiet\n",
		`{"@message":1}`:                                             "[INFO]  {\"@message\":1}\n",
		`{"@level":7,"@message":"x"}`:                                "[INFO]  x\n",
		`{"not":"ours"}`:                                             "[INFO]  {\"not\":\"ours\"}\n",
		"\x1b]0;title\x07\x1b[2J\n":                                  `[INFO]  \u001b]0;title\u0007\u001b[2J` + "\n",
		"\xff\u202e\u200b\x00\u2028\n":                               `[INFO]  \xff\u202e\u200b\u0000\u2028` + "\n",
	} {
		require.Equal(t, want, relayed(output, false), "%q", output)
	}
}

// A line that is too long is cut, and the next one is whole.
func TestLongLine(t *testing.T) {
	text := relayed(strings.Repeat("x", 300<<10)+"\nnext\n", false)
	require.Less(t, len(text), maxLine+100)
	require.Contains(t, text, "[INFO]  next\n")
}

// What floods the log is cut to a rate, and how much is said. It is read all the same.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book bytes.Buffer
		relay := NewRelay(hclog.New(&hclog.LoggerOptions{Output: &book, DisableTime: true}))
		r, w := io.Pipe()
		done := make(chan struct{})
		go func() {
			relay.Copy(r)
			close(done)
		}()
		for range 1000 {
			_, err := io.WriteString(w, "again\n")
			require.NoError(t, err)
		}
		time.Sleep(2 * time.Second)
		_, err := io.WriteString(w, "later\n")
		require.NoError(t, err)
		require.NoError(t, w.Close())
		<-done
		require.Equal(t, maxRate, strings.Count(book.String(), "again"))
		require.Contains(t, book.String(), "lines=800")
		require.Contains(t, book.String(), "later")
	})
}

// What the runtime prints before it ends a process is one line of the log.
func TestCrash(t *testing.T) {
	text := relayed("before\npanic: at the disco\n\ngoroutine 1 [running]:\nmain.main()\n\t/main.go:1\n", true)
	require.Equal(t, 2, strings.Count(text, "\n"))
	require.Contains(t, text, `"error":"panic: at the disco"`)
	require.Contains(t, text, "main.go:1")
	require.Less(t, len(relayed("fatal error: x\n"+strings.Repeat("goroutine\n", 100000), true)), 4*maxStack)
}

func TestTail(t *testing.T) {
	relay := NewRelay(hclog.NewNullLogger())
	relay.Copy(strings.NewReader(strings.Repeat("x\n", 100) + "last\x07"))
	tail := relay.Tail()
	require.Len(t, tail, keepLines)
	require.Equal(t, `last\u0007`, tail[keepLines-1])
}

// Whatever is printed, nothing of it is a control sequence in the log or breaks a line of
// it that is read by machines.
func FuzzRelay(f *testing.F) {
	for _, s := range []string{
		"plain\n", "\x1b[2J", `{"@message":"\u001b[2J","a\nb":"\u0007\n[ERROR] forged"}`, `{"@message":1}`,
		`{"@message":"x","k":["\u001b"],"@timestamp":7}`, "panic: \x1b\ngoroutine", "\xff\xfe\u202e",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, output string) {
		for _, asJSON := range []bool{false, true} {
			text := relayed(output, asJSON)
			require.True(t, utf8.ValidString(text))
			for _, r := range text {
				if r != '\n' && hidden(r) {
					t.Fatalf("%q is logged as %q", output, text)
				}
			}
			for line := range strings.Lines(text) {
				require.True(t, !asJSON || strings.HasPrefix(line, "{"), text)
			}
		}
	})
}
