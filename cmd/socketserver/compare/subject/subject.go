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
	Listen time.Duration // from its start until it listens; 0: 15 seconds
	Stop   time.Duration // beyond its drain timeout, before it is killed; 0: 5 seconds
}

// A Usage is what the first process of a subject and all processes that it has waited for
// have used.
type Usage struct {
	usage.Usage       // CPU and Switches
	MaxResident int64 // bytes, of the largest of these processes
}

// An Exit is how a subject ended.
type Exit struct {
	Status  string // as in: exit status 0, or signal: killed
	Forced  bool   // it did not end by itself when it was told to, and was killed
	Started int64  // processes, by the server; less than 0: it could not say
	Usage   Usage
	Left    Left
}

// Left is what a subject left behind. It has been removed since.
type Left struct {
	Processes int
	Sockets   int  // files
	Files     int  // other ones
	Listening bool // its address can still be reached, or is bound
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
	Path    string // of the interpreter itself, not of what chooses one
	Version string // as in 3.11.7
}

// Network is tcp, udp, unix or unixgram.
func (s *Subject) Network() string { return s.network }

// Address is where it listens.
func (s *Subject) Address() string { return s.address }

// Pid is the process id of the server, of which all other processes of the subject descend.
func (s *Subject) Pid() int { return s.process.Pid }

// Done is closed when the server has ended, by itself or not. Stop still has to be called.
func (s *Subject) Done() <-chan struct{} { return s.ended }

// Log is what it has logged and printed, the last lines of it.
func (s *Subject) Log() []Line { return s.journal.last() }

// AwaitLog waits for a line that is wanted, among those of Log and those to come. It
// returns false when ctx is done or when no more lines can come.
func (s *Subject) AwaitLog(ctx context.Context, wanted func(Line) bool) bool {
	return s.journal.await(ctx, wanted)
}
