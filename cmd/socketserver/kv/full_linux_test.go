package kv

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
)

// On a full disk changes fail, at once and with the reason, and reads go on. A restart with room goes on from there.
func TestFullDisk(t *testing.T) {
	how := fileState(t)
	mount := func(flags uintptr, options string) error {
		return syscall.Mount("tmpfs", how.Path, "tmpfs", flags, options)
	}
	if err := mount(0, "size=3m"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	defer func() { require.NoError(t, syscall.Unmount(how.Path, 0)) }()
	var b Backends
	s, closeState, err := b.Open(t.Context(), "s", how, hclog.NewNullLogger())
	require.NoError(t, err)
	value := make([]byte, 60_000)
	stored := -1
	for ; err == nil; stored++ {
		_, err = s.Create(t.Context(), fmt.Sprint(stored+1), value)
	}
	full := "state: " + how.Path + ": the disk is full; make room, and restart the server; until then nothing can be changed"
	require.EqualError(t, err, full)
	began := time.Now()
	require.EqualError(t, s.Delete(t.Context(), "0"), full)
	_, err = s.Add(t.Context(), "n", 1)
	require.EqualError(t, err, full)
	require.Less(t, time.Since(began), callTimeout, "a change waited for what does not come")
	require.NoError(t, mount(syscall.MS_REMOUNT, "size=100m"))
	for range 2 {
		for _, n := range []int{0, stored - 1} {
			got, _, err := s.Get(t.Context(), fmt.Sprint(n))
			require.NoError(t, err)
			require.Equal(t, value, got)
		}
		closeState()
		s, closeState, err = b.Open(t.Context(), "s", how, hclog.NewNullLogger())
		require.NoError(t, err)
	}
	_, err = s.Create(t.Context(), "more", value)
	require.NoError(t, err)
	closeState()
}
