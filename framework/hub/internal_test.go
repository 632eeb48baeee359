package hub

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// Who sends waits while too much is to be delivered, and no longer.
func TestHubBatchIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Hub{delivering: true} // nobody takes anything
		go func() {
			for range 10 {
				h.Broadcast(nil, make([]byte, maxBatch/2))
			}
		}()
		for range 5 {
			synctest.Wait()
			b, _ := h.next(nil)
			require.Len(t, b.shared, maxBatch)
		}
	})
}

// A client that has missed messages misses all until it has read what waits, so that it is
// told in the right place.
func TestMemberMisses(t *testing.T) {
	m := &Member{Queue: 2, Missed: func(n int) []byte { return []byte{'0' + byte(n)} }}
	m.enqueue([]byte("aabc"), 1, []int{2, 3, 4})
	require.Equal(t, "ab", string(m.nextPiece()))
	require.True(t, m.wrote(1, nil))
	m.enqueue([]byte("d"), 0, []int{1})
	require.Equal(t, "b", string(m.nextPiece()))
	require.True(t, m.wrote(1, nil))
	require.Equal(t, "2", string(m.nextPiece()))
	m.enqueue([]byte("e"), 0, []int{1})
	require.True(t, m.wrote(1, nil))
	require.Equal(t, "e", string(m.nextPiece()))
	require.True(t, m.wrote(1, nil))
	require.Nil(t, m.nextPiece())
}

// Bytes are bounded as messages are. A message of whatever size fits where nothing waits, and
// takes nothing away from those that come after it.
func TestMemberQueueBytes(t *testing.T) {
	m := &Member{QueueBytes: 4, Missed: func(n int) []byte { return []byte{'0' + byte(n)} }}
	m.enqueue([]byte("too long:abcdef"), 0, []int{9, 12, 13, 15})
	require.Equal(t, "too long:abcd", string(m.nextPiece()))
	require.True(t, m.wrote(13, nil))
	require.Equal(t, "1", string(m.nextPiece()))

	m = &Member{}
	piece := make([]byte, 8<<10)
	for range 100 {
		m.enqueue(piece, 0, []int{len(piece)})
	}
	require.Len(t, m.waiting, len(piece)+96<<10)
	require.Equal(t, 100-13, m.missed)
}
