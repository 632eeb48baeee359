package subject

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"time"
)

// An Exit is how a subject ended.
type Exit struct {
	Status   string // as in: exit status 0, or signal: killed
	Forced   bool   // it did not stop in time and was killed
	Started  int64  // processes, by the server; less than 0: not known
	Switches int64  // context switches of the server and all processes that it waited for
	Left     Left
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
	return cmp.Or(strings.Join(all, ", "), "nothing")
}

// clear removes and counts what is left behind. The process has been reaped.
func (s *Subject) clear() {
	grace := processGrace
	if s.ctx.Err() != nil {
		grace = 0
	}
	left := &s.exit.Left
	left.Processes = len(s.tree.await(grace))
	left.Listening = listening(s.Network, s.Address)
	s.tree.kill()
	_ = s.output.SetReadDeadline(time.Now().Add(500 * time.Millisecond)) // a process that was not found may hold it
	s.reading.Wait()
	select {
	case r := <-s.reports:
		if r.Started != nil {
			s.exit.Started = *r.Started
		}
	default:
	}
	left.Sockets, left.Files = files(s.directory)
	removeDirectory(s.directory)
}

// listening reports whether an address is still in use. No other process has it yet: the system
// hands out free ports in turn.
func listening(network, address string) bool {
	var probe io.Closer
	var err error
	switch network {
	case "tcp":
		probe, err = net.Listen(network, address)
	case "udp":
		probe, err = net.ListenPacket(network, address)
	default: // a socket file is counted as such
		return false
	}
	if err == nil {
		_ = probe.Close()
	}
	return err != nil
}

// files counts the files in a directory.
func files(directory string) (sockets, others int) {
	_ = filepath.WalkDir(directory, func(_ string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || e.IsDir():
		case e.Type()&fs.ModeSocket != 0:
			sockets++
		default:
			others++
		}
		return nil
	})
	return sockets, others
}
