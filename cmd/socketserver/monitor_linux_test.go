package main

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The monitor thread of a server's process sleeps longer, and no other thread does.
func TestMonitorNaps(t *testing.T) {
	letMonitorNap()
	path := monitorSlack()
	if _, err := os.ReadFile(path); err != nil {
		t.Skip("needs CAP_SYS_NICE: ", err)
	}
	of := func(path string) string {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return strings.TrimSpace(string(text))
	}
	require.Equal(t, strconv.FormatInt(int64(monitorNap), 10), of(path))
	require.NotEqual(t, of(path), of("/proc/self/timerslack_ns"))
}
