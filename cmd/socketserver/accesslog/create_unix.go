//go:build unix

package accesslog

import "syscall"

// mayCreate returns the error of creating a file in a directory.
func mayCreate(directory string) error {
	const write, enter = 2, 1
	return syscall.Access(directory, write|enter)
}
