// Package process starts and ends the processes of workers and plugins, on Linux only.
package process

import "os"

// A Command is a process to be started. The child inherits descriptors 0 (nothing to
// read), 1, 2, 3 and 4 and no other one.
type Command struct {
	Image  *Image
	Args   []string // Args[0] is its name
	Env    []string
	Stdout *os.File
	Stderr *os.File
	Three  *os.File // descriptor 3
	Four   *os.File // descriptor 4, beside Three; nil: there is none

	// DieWithParent has the system kill the child when this process dies.
	DieWithParent bool
}
