package life

import (
	"bytes"
	"runtime"
	"time"
)

// A Watch reports that the goroutine which made it goes on for longer than it may.
type Watch struct{ timer *time.Timer }

// NewWatch calls late after d, unless Stop is called before, with the stack of the calling
// goroutine as it is then.
func NewWatch(d time.Duration, late func(stack string)) *Watch {
	id := goroutine()
	return &Watch{time.AfterFunc(d, func() { late(stackOf(id)) })}
}

// Stop ends the watch.
func (w *Watch) Stop() { w.timer.Stop() }

// goroutine returns the beginning of the stack of this goroutine, "goroutine 7 [", which names
// it in the stack of all.
func goroutine() []byte {
	var buf [64]byte
	n := runtime.Stack(buf[:], false)
	return bytes.Clone(buf[:bytes.IndexByte(buf[:n], '[')+1])
}

// maxStacks bounds the stacks of all goroutines among which one is looked for, in bytes.
const maxStacks = 16 << 20

func stackOf(id []byte) string {
	for size := 64 << 10; ; size *= 4 {
		all := make([]byte, size)
		all = all[:runtime.Stack(all, true)]
		if at := bytes.Index(all, id); at >= 0 {
			stack, _, whole := bytes.Cut(all[at:], []byte("\n\n"))
			if whole || len(all) < size {
				return string(stack)
			}
		}
		if len(all) < size || size >= maxStacks {
			return ""
		}
	}
}
