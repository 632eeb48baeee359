package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func pair(t *testing.T) (*Reader, *Writer) {
	t.Helper()
	r, f, err := New()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	w, err := Open(f)
	require.NoError(t, err)
	return r, w
}

// Records arrive whole and in the order of each goroutine, also round the end of the ring.
func TestRecordsArriveInOrder(t *testing.T) {
	r, w := pair(t)
	var writers sync.WaitGroup
	const each, goroutines = 1500, 4
	room := make(chan struct{}, 1)
	for g := range goroutines {
		writers.Go(func() {
			for n := range each {
				record := fmt.Appendf(nil, "%d %d %s", g, n, bytes.Repeat([]byte{'x'}, n%300))
				for {
					if _, ok := w.Append(record); ok {
						break
					}
					<-room
				}
			}
		})
	}
	next, got := [goroutines]int{}, 0
	for got < each*goroutines {
		n, err := r.Read(func(record []byte) error {
			var g, n int
			_, err := fmt.Sscan(string(record), &g, &n)
			require.NoError(t, err)
			require.Equal(t, next[g], n)
			require.Len(t, bytes.TrimLeft(record, "0123456789 "), n%300)
			next[g]++
			return nil
		})
		require.NoError(t, err)
		got += n
		select {
		case room <- struct{}{}:
		default:
		}
	}
	writers.Wait()
}

func TestFullJournalRefuses(t *testing.T) {
	r, w := pair(t)
	record := make([]byte, 1000)
	n := 0
	for {
		if _, ok := w.Append(record); !ok {
			break
		}
		n++
	}
	require.Equal(t, capacity/(prefix+len(record)), n)
	read, err := r.Read(func([]byte) error { return nil })
	require.NoError(t, err)
	require.Equal(t, n, read)
	_, ok := w.Append(record)
	require.True(t, ok)
}

// One writer alone is told to wake a reader that sleeps, and a reader does not fall asleep beside
// a record.
func TestSleepingReaderIsWokenOnce(t *testing.T) {
	r, w := pair(t)
	wake, _ := w.Append([]byte("a"))
	require.True(t, wake, "it sleeps at first")
	wake, _ = w.Append([]byte("b"))
	require.False(t, wake)
	require.False(t, r.Sleep(), "there are two records")
	_, err := r.Read(func([]byte) error { return nil })
	require.NoError(t, err)
	require.True(t, r.Sleep())
	wake, _ = w.Append([]byte("c"))
	require.True(t, wake)
}

// A writer that does not keep to the form is found out, whatever it has written.
func TestCorruptJournal(t *testing.T) {
	for name, spoil := range map[string]func(memory){
		"more than the ring":    func(m memory) { m.positions().written.Store(capacity + 1) },
		"less than was read":    func(m memory) { m.positions().read.Store(9) },
		"record beyond its end": func(m memory) { binary.BigEndian.PutUint32(m[header:], capacity) },
		"half a length":         func(m memory) { m.positions().written.Store(2) },
	} {
		t.Run(name, func(t *testing.T) {
			r, w := pair(t)
			_, ok := w.Append([]byte("a"))
			require.True(t, ok)
			spoil(r.memory)
			_, err := r.Read(func([]byte) error { return nil })
			require.ErrorIs(t, err, ErrCorrupt)
		})
	}
}
