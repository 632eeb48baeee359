package subject

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/usage"
)

// Options bound a subject in time.
type Options struct {
	Listen time.Duration // from the start until it listens; 0: 15 seconds
	Stop   time.Duration // beyond the drain timeout until it is killed; 0: 5 seconds
}

// A Usage is that of a subject's first process and of all processes that it waited for.
type Usage struct {
	usage.Usage       // CPU and Switches
	MaxResident int64 // bytes, of the largest of these processes
}

// An Exit is how a subject ended.
type Exit struct {
	Status  string // as in: exit status 0, or signal: killed
	Forced  bool   // it did not stop in time and was killed
	Started int64  // processes, by the server; less than 0: not known
	Usage   Usage
	Left    Left
}

// Left is what a subject left behind, which Stop has removed.
type Left struct {
	Processes int
	Sockets   int  // files
	Files     int  // other ones
	Listening bool // its address is still in use
}

func (l Left) String() string {
	var all []string
	count := func(n int, one, more string) {
		switch {
		case n == 1:
			all = append(all, one)
		case n > 1:
			all = append(all, fmt.Sprintf("%d %s", n, more))
		}
	}
	count(l.Processes, "1 process", "processes")
	count(l.Sockets, "a socket file", "socket files")
	count(l.Files, "a file", "files")
	if l.Listening {
		all = append(all, "a port that is taken")
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

// A Python is an interpreter.
type Python struct {
	Path    string // of the interpreter itself, not of a wrapper
	Version string // as in 3.11.7
}

// Network returns tcp, udp, unix or unixgram.
func (s *Subject) Network() string { return s.network }

// Address returns the address that it listens at.
func (s *Subject) Address() string { return s.address }

// Pid returns the process id of the server, the ancestor of all processes of the subject.
func (s *Subject) Pid() int { return s.process.Pid }

// Done is closed when the server has ended for any reason. Stop still has to be called.
func (s *Subject) Done() <-chan struct{} { return s.ended }

// Log returns the last lines that it logged and printed.
func (s *Subject) Log() []Line { return s.journal.last() }

// AwaitLog waits for a wanted line, among those of Log and those to come. It returns false when
// ctx is done or the log is complete.
func (s *Subject) AwaitLog(ctx context.Context, wanted func(Line) bool) bool {
	return s.journal.await(ctx, wanted)
}
