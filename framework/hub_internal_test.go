package framework

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
