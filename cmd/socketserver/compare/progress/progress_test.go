package progress

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// output may be written while it is read.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// take returns the output since the last call.
func (o *output) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.b.Reset()
	return o.b.String()
}

// pass lets time go by and waits until all that follows has happened.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out output
		p := New(&out, false, false)
		defer p.Close()
		p.Doing("starting")
		pass(6 * time.Second)
		require.Empty(t, out.take(), "nothing is planned yet")

		p.Plan(20 * time.Second)
		p.Doing("connections, round 1")
		require.Empty(t, out.take(), "a line at each interval, and no others")
		pass(4 * time.Second)
		require.Equal(t, "20 % done, 16s left: connections, round 1\n", out.take())
		p.Advance(10 * time.Second)
		require.Empty(t, out.take())
		pass(5 * time.Second)
		require.Equal(t, "75 % done, 5s left: connections, round 1\n", out.take())
		pass(10 * time.Second)
		require.Equal(t, strings.Repeat("100 % done, <1s left: connections, round 1\n", 2), out.take())

		p.Warn("too noisy\nto \x1b[2Jtell")
		require.Equal(t, `warning: too noisy\nto \x1b[2Jtell`+"\n", out.take())
	})
}

func TestBar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out output
		p := New(&out, true, false)
		p.Plan(10 * time.Second)
		p.Doing("mishaps")
		require.Equal(t, "\r\x1b[2K\x1b[?7l[....................]   0 %  10s left  mishaps\x1b[?7h", out.take())
		p.Advance(5 * time.Second)
		pass(250 * time.Millisecond)
		require.Contains(t, out.take(), "[##########..........]  52 %   5s left  mishaps")

		p.Warn("careful")
		require.Regexp(t, "^\r\x1b\\[2Kwarning: careful\n\r\x1b\\[2K\x1b\\[\\?7l\\[###", out.take(),
			"the warning has a line of its own, and the bar comes after it")

		p.Close()
		require.Equal(t, "\r\x1b[2K", out.take(), "the line is empty again")
		p.Doing("something else")
		p.Warn("nothing")
		p.Close()
		require.Empty(t, out.take())
	})
}

func TestQuiet(t *testing.T) {
	var out output
	p := New(&out, true, true)
	p.Plan(time.Second)
	p.Doing("anything")
	p.Warn("anything")
	p.Close()
	require.Empty(t, out.take())
}

func TestManyAtOnce(t *testing.T) {
	var out output
	p := New(&out, true, false)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			p.Plan(time.Second)
			p.Doing("work")
			p.Advance(time.Millisecond)
			p.Warn("x")
			p.Close()
		})
	}
	all.Wait()
	require.True(t, strings.HasSuffix(out.take(), "\r\x1b[2K"))
}
