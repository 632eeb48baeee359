package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// endWithGoRun has SIGTERM sent to this process when its parent ends, if that is "go run": a
// signal to it ends go alone, and its program would keep the ports.
func endWithGoRun() {
	parent := os.Getppid()
	program, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", parent))
	arguments, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", parent))
	if filepath.Base(program) != "go" || !bytes.Contains(arguments, []byte("\x00run\x00")) {
		return
	}
	_, _, _ = syscall.Syscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0)
	if os.Getppid() != parent { // it ended before
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}
}
