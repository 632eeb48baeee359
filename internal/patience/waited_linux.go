package patience

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// waited returns for how long that thread of a process which has waited most for a processor has;
// 0 where that is not known.
func waited(pid int) (most time.Duration) {
	if pid == 0 {
		return 0
	}
	threads, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/schedstat")
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		var ran, delayed int64 // in nanoseconds
		if _, err := fmt.Sscan(string(text), &ran, &delayed); err == nil {
			most = max(most, time.Duration(delayed))
		}
	}
	return most
}
