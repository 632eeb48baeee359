package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/internal/text"
)

// As long as the log is read no line is lost, and each has been written when Write returns.
func TestLogThatIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var read strings.Builder
		w := &logWriter{out: &read}
		line := strings.Repeat("x", 1000) + "\n"
		for n := range 5000 {
			_, err := io.WriteString(w, line)
			require.NoError(t, err)
			require.Equal(t, (n+1)*len(line), read.Len())
		}
	})
}

// What is not read is kept up to a limit, dropped and counted beyond it, and holds up nothing.
func TestLogThatIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, theirs := io.Pipe()
		w := &logWriter{out: theirs}
		w.logger(hclog.LoggerOptions{JSONFormat: true, DisableTime: true})
		line := strings.Repeat("x", 1023) + "\n"
		for range 2 + maxUnread/len(line) + 7 {
			_, err := io.WriteString(w, line)
			require.NoError(t, err)
		}
		require.False(t, w.flush(flushLimit))
		all := make(chan string)
		go func() {
			text, _ := io.ReadAll(log)
			all <- string(text)
		}()
		require.True(t, w.flush(flushLimit))
		_, err := io.WriteString(w, "read again\n")
		require.NoError(t, err)
		require.NoError(t, theirs.Close())
		text := <-all
		require.Equal(t, 1+maxUnread/len(line), strings.Count(text, line))
		require.Contains(t, text, `{"@level":"warn","@message":"log lines dropped: the log was not read","lines":8}`+"\nread again\n")
	})
}

// Nothing that a field holds is taken for a line of its own or reaches a terminal as a control
// sequence.
func TestFieldsDoNotForgeLines(t *testing.T) {
	for _, value := range []any{
		"/tmp/a\n2026-01-02T03:04:05.678Z [ERROR] forged: n=1", "\n", "a\n\n  b=\n  | c\n", "a\r\nb", `quote " and \ and` + "\n",
		"\u202egnp.exe", "\u009b2J", "\x7f", "\U000e0041 tag", "\u0085\u2028x", errors.New("bad line \"x\n[ERROR] forged\""),
		map[string]any{"k": "a\n[ERROR] forged"},
		[]string{"a\nb", "\u2066"},
	} {
		for _, o := range []hclog.LoggerOptions{{}, {Color: hclog.ForceColor}, {Color: hclog.ForceColor, ColorHeaderAndFields: true}, {JSONFormat: true}} {
			var read strings.Builder
			w := &logWriter{out: &read}
			w.logger(o).With("server", "s", "first", value).Info("message", "second", value, "third", "3")
			line := read.String()
			require.Equal(t, 1, strings.Count(line, "\n"), "%q", line)
			require.Contains(t, line, "third")
			require.True(t, utf8.ValidString(line))
			if o.Color == hclog.ColorOff {
				require.Equal(t, -1, strings.IndexFunc(strings.TrimSuffix(line, "\n"), text.Block.Hides), "%q", line)
			}
			if o.JSONFormat {
				var fields map[string]any
				require.NoError(t, json.Unmarshal([]byte(line), &fields))
				if s, ok := value.(string); ok {
					require.Equal(t, s, fields["second"])
				}
			}
		}
	}
}

// The stack of a crash stays readable.
func TestStackStaysOnLinesOfItsOwn(t *testing.T) {
	var read strings.Builder
	w := &logWriter{out: &read}
	w.logger(hclog.LoggerOptions{DisableTime: true}).Error("crashed", "error", "a\nb", "stack", "main.main()\n    /main.go:1")
	require.Equal(t, "[ERROR] crashed: error=\"a\\nb\"\n  stack=\n  | main.main()\n  |     /main.go:1\n  \n", read.String())
}

// The address of a client may hold a newline.
func TestClientDoesNotForgeALine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir, exec.Command("socketserver", "serve", "--listen", "unixgram://"+dir+"/s", "--handler", "sink", "--log-format", "text"))
	p.awaitText(t, "ready")
	client, err := net.DialUnix("unixgram", &net.UnixAddr{Net: "unixgram", Name: dir + "/c\nforged"}, &net.UnixAddr{Net: "unixgram", Name: dir + "/s"})
	require.NoError(t, err)
	defer client.Close()
	_, err = client.Write([]byte("hello"))
	require.NoError(t, err)
	require.Contains(t, p.awaitText(t, "forged"), `client="\"`+dir+`/c\nforged\""`, "quoted as a name that cannot be printed, and again as a value")
}

func TestNumbersAreNumbersUnderEveryStrategy(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"synchronous", "threading", "forking", "preforking"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			p, listeners := serveArgs(t, "--listen", "udp://127.0.0.1:0", "--concurrency", strategy, "--handler", "sink")
			frameworktest.Send(t, dial(t, listeners[0]), "abc")
			p.await(t, "received", event{"length": 3.0, "data": "abc"})
		})
	}
}
