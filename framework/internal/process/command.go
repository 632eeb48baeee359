// Package process starts and ends the processes of workers and plugins, on Linux only.
package process

import (
	"fmt"
	"os"
	"time"
)

// A Command is a process to be started. The child inherits descriptors 0, 1, 2, 3 and 4 and no
// other one.
type Command struct {
	Image     *Image
	Args      []string // Args[0] is its name
	Env       []string
	Directory string   // that it runs in; empty: this process's
	Stdin     *os.File // nil: nothing to read
	Stdout    *os.File
	Stderr    *os.File
	Three     *os.File // descriptor 3; nil: none
	Four      *os.File // descriptor 4, beside Three; nil: none

	// DieWithParent has the system kill the child when this process dies.
	DieWithParent bool
	Restrictions  Restrictions
	Sandbox       *Sandbox // nil: it may use all
	// Foreign programs are started by their path as long as it has the image's file, so that ps
	// shows their names, and Wait takes no thread.
	Foreign bool

	// Begun is called when the process is there, and before it runs its program, for which one with Restrictions may take
	// seconds: what kills it meanwhile ends the start; nil: nothing is to. A start that is tried again calls it again.
	Begun func(*Process)
}

// Restrictions have the fields of the framework's, so that those convert to these.
type Restrictions struct {
	Memory    int64         // bytes of address space
	CPU       time.Duration // of processors, in seconds; it is killed then
	Files     int           // open descriptors
	Processes int           // of its user, threads included; root is not bounded
	FileSize  int64         // bytes of each file that it writes; it is killed beyond that
	Nice      int           // from -20 to 19; less than this process's needs root
	Umask     int           // of what it creates; 0: 077, -1: none
	AsUser    bool          // it runs as UID and GID, without other groups
	UID, GID  uint32
}

// WithMemory adds the limit of memory, if there is one, to the error of a process that has ended by itself: programs do
// not say that they lacked memory.
func (r *Restrictions) WithMemory(err error) error {
	if r.Memory == 0 {
		return err
	}
	return fmt.Errorf("%w; its memory is limited to %d KiB, which may be too little: raise memory in limits", err, r.Memory>>10)
}

// A Sandbox has the fields of the framework's.
type Sandbox struct {
	Read     []string // files and directories that it may read and execute
	Write    []string // likewise, and change
	Network  bool     // it may bind and connect TCP sockets
	Required bool     // nothing is started unless all of this is enforced
}
