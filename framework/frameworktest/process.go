package frameworktest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Children returns the processes that pid has started, those that nobody has reaped included, by their
// state: R, S, D, T or Z.
func Children(t testing.TB, pid int) map[int]string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	if len(stats) == 0 {
		t.Skip("needs /proc")
	}
	children := map[int]string{}
	for _, path := range stats {
		text, _ := os.ReadFile(path)                   // it may have gone
		_, after, _ := strings.Cut(string(text), ") ") // the name may hold anything
		if fields := strings.Fields(after); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(strings.Split(path, "/")[2])
			children[child] = fields[0]
		}
	}
	return children
}
