package framework

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/process"
)

// Restrictions bound a process and what it starts. What is 0 is not bounded.
type Restrictions struct {
	Memory    int64         // bytes of address space
	CPU       time.Duration // of processors, in seconds; it is killed then
	Files     int           // open descriptors
	Processes int           // of its user, threads included; root is not bounded
	FileSize  int64         // bytes of each file that it writes; it is killed beyond that
	Nice      int           // from -20 to 19; less than this process's needs root
	Umask     int           // of what it creates; 0: 077, -1: none
	// AsUser means that it runs as UID and GID, without other groups, in place of this process's. It
	// needs root.
	AsUser   bool
	UID, GID uint32
}

// A Sandbox is what a process and what it starts may use of the system. Landlock of Linux enforces it:
// as much of it as the system has, unless it is Required. Its program, the null device and sources of
// random numbers, and the descriptors that it is given are always open to it.
type Sandbox struct {
	Read     []string // files, and directories with what is in them, that it may read and execute
	Write    []string // likewise, and change
	Network  bool     // it may bind and connect TCP sockets
	Required bool     // nothing is started unless all of this is enforced
}

// Check returns an error for a Sandbox that is required and cannot be enforced, and logs what can be
// otherwise. A Sandbox that is nil allows everything.
func (s *Sandbox) Check(log hclog.Logger) error {
	if s == nil {
		return nil
	}
	version, gaps := (*process.Sandbox)(s).Enforceable()
	switch {
	case len(gaps) == 0:
		log.Info("processes are in a sandbox", "landlock", version)
	case s.Required:
		return fmt.Errorf("the sandbox is required, and cannot be enforced here: %s", strings.Join(gaps, "; "))
	default:
		log.Warn("the sandbox of processes is not complete", "landlock", version, "missing", gaps)
	}
	return nil
}
