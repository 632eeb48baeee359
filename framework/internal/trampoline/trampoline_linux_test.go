package trampoline

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is written to a status says whether the program runs.
func TestStatus(t *testing.T) {
	require.EqualError(t, Parse(nil), "it ended before it ran its program")
	require.NoError(t, Parse([]byte{0}))
	require.ErrorIs(t, Parse([]byte{0, run, byte(syscall.ENOEXEC), 0}), syscall.ENOEXEC)
	require.EqualError(t, Parse([]byte{user, byte(syscall.EPERM), 0}), "become its user: operation not permitted")
}
