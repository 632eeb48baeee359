package logline

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	visible "github.com/go-socketserver/socketserver/internal/text"
)

// logged passes on what is logged.
type logged chan string

func (l logged) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

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
		"\x1b]0;title\x07\x1b[2J\n":                                  `[INFO]  \x1b]0;title\a\x1b[2J` + "\n",
		"\xff\u202e\u200b\x00\u2028\n":                               `[INFO]  \xff\u202e\u200b\x00\u2028` + "\n",
	} {
		require.Equal(t, want, relayed(output, false), "%q", output)
	}
}

// A line is logged as by a handler that runs in the server.
func TestValuesKeepTheirForm(t *testing.T) {
	for _, args := range [][]any{
		{"n", 5, "f", 1.5, "b", true, "z", nil, "big", uint64(12345678901234567890), "k", map[string]any{"a": []any{1, nil}}},
		{"empty", "", "e", []string{}, "s", []string{"a b", "c"}, "l", []int{1, -2}, "m", []any{"x", 1, false}},
		{"tiny", 1e-300, "huge", 1e300, "min", int64(math.MinInt64), "deep", []any{map[string]any{"x": []any{"y"}}}},
		{"text", "5", "t", "null", "quoted", `a "b" \`, "lines", "a\nb", "hidden", "\u202e\x1b"},
	} {
		for _, asJSON := range []bool{false, true} {
			var printed, want bytes.Buffer
			options := hclog.LoggerOptions{DisableTime: true, JSONFormat: asJSON}
			for out, asJSON := range map[*bytes.Buffer]bool{&printed: true, &want: asJSON} {
				o := options
				o.Output, o.JSONFormat = out, asJSON
				hclog.New(&o).Info("m", args...)
			}
			if !asJSON { // fields are sorted, and the order of arguments is lost
				require.ElementsMatch(t, strings.Fields(want.String()), strings.Fields(relayed(printed.String(), false)))
				continue
			}
			require.Equal(t, want.String(), relayed(printed.String(), true))
		}
	}
	for _, line := range []string{ // of programs that do not use hclog
		`{"@level":"info","@message":"m","big":123456789012345678901234567890,"e":1E400,"f":1.0,"i":-0,"k":{"a":[1,null]},"z":null}`,
	} {
		require.Equal(t, line+"\n", relayed(line, true))
	}
	require.Equal(t, "[INFO]  {\"@message\":\"x\"} {}\n", relayed(`{"@message":"x"} {}`, false))
}

// What is printed does not take the place of the fields that the host has.
func TestFieldsOfTheHostWin(t *testing.T) {
	for line, want := range map[string]string{
		`{"@message":"x","server":"other","plugin":"other","pid":1}`:   `"own":"o","pid":7,"plugin":"p","printed_pid":1,"printed_plugin":"other","printed_server":"other","server":"s"}`,
		`{"@message":"x","server":null,"client":"c","client":"d"}`:     `"client":"d","own":"o","pid":7,"plugin":"p","printed_server":null,"server":"s"}`,
		`{"@message":"x","own":1,"@level":"info","@timestamp":"2000"}`: `"own":"o","pid":7,"plugin":"p","printed_own":1,"server":"s"}`,
		`{"@message":"x","n=1 server":"other","\u0073erver":"a"}`:      `"n_1_server":"other","own":"o","pid":7,"plugin":"p","printed_server":"a","server":"s"}`,
	} {
		var book bytes.Buffer
		log := hclog.New(&hclog.LoggerOptions{Output: &book, DisableTime: true, JSONFormat: true}).With("server", "s", "plugin", "p", "pid", 7, "own", "o")
		NewRelay(log).Copy(strings.NewReader(line))
		require.Equal(t, `{"@level":"info","@message":"x",`+want+"\n", book.String())
	}
	require.Equal(t, "[INFO]  x: printed_pid=1\n", relayed(`{"@message":"x","pid":1}`, false))
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
		r, w := net.Pipe()
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
	text = relayed("fatal error: x\n"+strings.Repeat("goroutine 1:\n", 100000), true)
	require.Less(t, len(text), 4*maxStack)
	require.Equal(t, 1, strings.Count(text, "\n"))
	require.Contains(t, text, `"lines_cut":98`)
	require.Contains(t, relayed("panic: "+strings.Repeat("\x00", maxLine), true), `"error":"panic: `)
}

// What every kind of crash prints is one line of the log.
func TestCrashIsWhole(t *testing.T) {
	for _, output := range []string{
		"panic: x [recovered]\n\tpanic: y\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4]\n\n" +
			"goroutine 7 [running]:\npanic({0x4a?, 0xc00?})\n\t/go/panic.go:1 +0x1\nmain.(*List[...]).Push(...)\n" +
			"net/http.HandlerFunc.ServeHTTP(0x1?, {0x2, 0x3}, 0x4)\nmain.(*T).f.func1()\ncreated by main.main in goroutine 1\n\t/main.go:3\nexit status 2\n",
		"runtime: goroutine stack exceeds 1000000000-byte limit\nruntime: sp=0xc02 stack=[0xc02, 0xc04]\nfatal error: stack overflow\n\n" +
			"runtime stack:\nruntime.throw({0x4, 0xe})\n\t/go/panic.go:1\n\ngoroutine 1 gp=0xc0 m=0 mp=0x5 [running]:\nmain.f(...)\n...1024 frames elided...\n",
		"fatal error: unexpected signal\n[signal SIGBUS]\nPC=0x1 m=0 sigcode=0\nsignal arrived during cgo execution\nSIGQUIT: quit\nrax    0x0\nr8     0x1\n",
	} {
		text := relayed(output, true)
		require.Equal(t, 1, strings.Count(text, "\n"), text)
		require.Contains(t, text, "process crashed")
	}
}

// A signal that the runtime does not expect makes it print registers, and every goroutine.
func TestCrashBySignalIsOneLine(t *testing.T) {
	if os.Getenv("TEST_CRASH") != "" {
		go func() { time.Sleep(time.Hour) }()
		var signal syscall.Signal
		_, _ = fmt.Sscan(os.Getenv("TEST_CRASH"), &signal)
		_ = syscall.Kill(os.Getpid(), signal)
		select {}
	}
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGQUIT, syscall.SIGBUS, syscall.SIGFPE} {
		for _, traceback := range []string{"single", "crash"} {
			cmd := exec.Command(os.Args[0], "-test.run=^TestCrashBySignalIsOneLine$")
			cmd.Env = append(os.Environ(), fmt.Sprintf("TEST_CRASH=%d", signal), "GOTRACEBACK="+traceback)
			printed, _ := cmd.CombinedOutput()
			require.Greater(t, bytes.Count(printed, []byte("\n")), 10)
			text := relayed(string(printed), true)
			require.Equal(t, 1, strings.Count(text, "\n"), text)
			require.Contains(t, text, `"@message":"process crashed"`)
		}
	}
	require.Equal(t, "[INFO]  SIGTERM: stopping\n[INFO]  SIGHUP: reload\n", relayed("SIGTERM: stopping\nSIGHUP: reload\n", false))
}

// A line that only looks like the beginning of a crash does not keep the ones that follow.
func TestNoCrash(t *testing.T) {
	require.Equal(t, "[ERROR] process crashed: error=\"panic: x\" stack=\"\"\n[INFO]  on: n=1\n[INFO]  and on\n"+
		"[ERROR] process crashed: error=\"panic: y\" stack=\"\"\n[ERROR] process crashed: error=\"panic: z\" stack=\"\"\n",
		relayed("panic: x\n"+`{"@message":"on","n":1}`+"\nand on\npanic: y\npanic: z\n", false))
}

// A crash is logged though nothing follows and the process lives.
func TestCrashAndSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := make(logged, 10)
		r, w := net.Pipe()
		done := make(chan struct{})
		relay := NewRelay(hclog.New(&hclog.LoggerOptions{Output: lines, DisableTime: true, JSONFormat: true}))
		go func() {
			relay.Copy(r)
			close(done)
		}()
		began := time.Now()
		for _, line := range []string{"panic: x\n", "goroutine 1:\n"} {
			_, err := io.WriteString(w, line)
			require.NoError(t, err)
			time.Sleep(silence / 2)
		}
		require.Contains(t, <-lines, `"stack":"goroutine 1:\n"`)
		require.Equal(t, silence*3/2, time.Since(began))
		_, err := io.WriteString(w, "panic: y\n")
		require.NoError(t, err)
		require.Contains(t, <-lines, `"error":"panic: y"`)
		require.Equal(t, silence*5/2, time.Since(began))
		require.NoError(t, w.Close())
		<-done
		require.Empty(t, lines)
	})
}

// A line without an end is logged when nothing has been printed for a while, and what
// follows is another line.
func TestUnfinishedLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := make(logged, 10)
		r, w := net.Pipe()
		done := make(chan struct{})
		go func() {
			NewRelay(hclog.New(&hclog.LoggerOptions{Output: lines, DisableTime: true})).Copy(r)
			close(done)
		}()
		began := time.Now()
		for _, part := range []string{"one ", "line"} {
			_, err := io.WriteString(w, part)
			require.NoError(t, err)
			time.Sleep(silence / 2)
		}
		require.Equal(t, "[INFO]  one line\n", <-lines)
		require.Equal(t, silence*3/2, time.Since(began))
		_, err := io.WriteString(w, "another\nbegun")
		require.NoError(t, err)
		require.Equal(t, "[INFO]  another\n", <-lines)
		require.NoError(t, w.Close())
		require.Equal(t, "[INFO]  begun\n", <-lines)
		require.Equal(t, silence*3/2, time.Since(began))
		<-done
		time.Sleep(2 * silence)
		require.Empty(t, lines)
	})
}

// Relays that share a budget log no more than one of them may, and what is dropped is
// told once a second.
func TestSharedBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := make(logged, 1000)
		log := hclog.New(&hclog.LoggerOptions{Output: lines, DisableTime: true})
		var budget Budget
		relay := func(output string) { budget.NewRelay(log).Copy(strings.NewReader(output)) }
		for range 300 {
			relay("again\n")
		}
		require.Len(t, lines, maxRate)
		for range 30 { // crashes have a budget of their own
			relay("panic: x\n")
		}
		require.Len(t, lines, maxRate+maxCrashes)
		for len(lines) > 0 {
			<-lines
		}
		began := time.Now()
		require.Equal(t, "[WARN]  log lines dropped: too much is printed: lines=110\n", <-lines)
		require.Equal(t, time.Second, time.Since(began))

		for range maxRate + 1 {
			relay("again\n")
		}
		require.Len(t, lines, maxRate)
		budget.Flush()
		require.Len(t, lines, maxRate+1)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Len(t, lines, maxRate+1, "it is told once")
	})
}

func TestTail(t *testing.T) {
	relay := NewRelay(hclog.NewNullLogger())
	relay.Copy(strings.NewReader(strings.Repeat("x\n", 100) + "last\x07"))
	tail := relay.Tail(false)
	require.Len(t, tail, keepLines)
	require.Equal(t, `last\a`, tail[keepLines-1])
}

// A panic that was printed is the cause of an end only where nothing follows it and the process
// ended as by a panic.
func TestTailHasNoOtherCause(t *testing.T) {
	for output, want := range map[string]struct{ crashed, exited []string }{
		"usage: x\npanic: y\n\ngoroutine 1 [running]:\n": {[]string{"usage: x", "panic: y"}, []string{"usage: x"}},
		"panic: recovered\ngoroutine 1 [running]:\non\n": {[]string{"on"}, []string{"on"}},
		"panic: recovered\npanic: real\n":                {[]string{"panic: real"}, nil},
		"SIGSEGV: segmentation violation\nPC=0x1\n":      {[]string{"SIGSEGV: segmentation violation"}, nil},
		"panic: recovered\n{\"@message\":\"x\"}\n":       {[]string{`{"@message":"x"}`}, []string{`{"@message":"x"}`}},
	} {
		relay := NewRelay(hclog.NewNullLogger())
		relay.Copy(strings.NewReader(output))
		require.Equal(t, want.crashed, relay.Tail(true), output)
		require.Equal(t, want.exited, relay.Tail(false), output)
	}
	synctest.Test(t, func(t *testing.T) { // long ago
		relay := NewRelay(hclog.NewNullLogger())
		r, w := net.Pipe()
		done := make(chan struct{})
		go func() { relay.Copy(r); close(done) }()
		_, err := io.WriteString(w, "a request\npanic: recovered\n")
		require.NoError(t, err)
		time.Sleep(2 * silence)
		require.NoError(t, w.Close())
		<-done
		require.Equal(t, []string{"a request"}, relay.Tail(true))
		time.Sleep(tailAge)
		require.Empty(t, relay.Tail(true))
	})
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
				if visible.Block.Hides(r) {
					t.Fatalf("%q is logged as %q", output, text)
				}
			}
			for line := range strings.Lines(text) {
				require.True(t, !asJSON || strings.HasPrefix(line, "{"), text)
			}
		}
	})
}
