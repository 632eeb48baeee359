//go:build unix

package accesslog

import "syscall"

// access returns the error of access(2).
func access(path string, mode uint32) error { return syscall.Access(path, mode) }
