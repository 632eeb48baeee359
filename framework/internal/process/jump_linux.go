package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/framework/internal/trampoline"
	"github.com/go-socketserver/socketserver/internal/patience"
)

// A jump is the start of a process of another user, or with limits, by a [trampoline].
type jump struct {
	by     *Image // this program
	args   []string
	attr   os.ProcAttr
	status *os.File   // what the trampoline says, and its end when the program runs or the process has gone
	theirs []*os.File // what the trampoline alone gets
}

// jumpPatience is the time that a process has from its start to its program, see [patience.WithTimeout]: one of its user
// may have stopped it.
var jumpPatience = 5 * time.Second

// jump prepares the start of c. attr is what its program gets, and rules are of its sandbox; nil: there is none.
// It is begun once.
func (c *Command) jump(attr *os.ProcAttr, rules *os.File) (*jump, error) {
	self, err := Self()
	if err != nil {
		return nil, err
	}
	status, said, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	j := &jump{by: self, attr: *attr, status: status, theirs: []*os.File{said}}
	j.attr.Dir, j.attr.Files, j.attr.Env = "", slices.Clone(attr.Files), trampoline.Env(Environment(), attr.Env)
	give := func(f *os.File) (number int) {
		j.attr.Files = append(j.attr.Files, f)
		return len(j.attr.Files) - 1
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		j.close()
		return nil, errors.Join(err, status.Close())
	}
	j.theirs = append(j.theirs, null)
	r := c.Restrictions
	to := trampoline.Jump{AsUser: r.AsUser, UID: r.UID, GID: r.GID, Directory: attr.Dir, Limits: r.limits(), Restrict: unix.SYS_LANDLOCK_RESTRICT_SELF, Umask: mask(r.Umask)}
	switch {
	case c.Image.text != nil: // its interpreter opens it
		to.Paths = []string{fmt.Sprintf("/proc/self/fd/%d", give(c.Image.text))}
	case c.Image.fd == 0:
		to.Paths = []string{c.Image.path}
	default:
		fd, err := unix.FcntlInt(uintptr(c.Image.fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			j.close()
			return nil, errors.Join(err, status.Close())
		}
		image := os.NewFile(uintptr(fd), c.Image.Name)
		j.theirs = append(j.theirs, image)
		to.Image = give(image)
		to.Paths = []string{fmt.Sprintf("/proc/self/fd/%d", to.Image)}
		if c.Foreign && isAt(c.Image.Name, c.Image.fd) {
			to.Paths = append([]string{c.Image.Name}, to.Paths...)
		}
	}
	to.Status, to.Stdin, to.Stdout = give(said), give(attr.Files[0]), give(attr.Files[1])
	j.attr.Files[0], j.attr.Files[1] = null, null
	if rules != nil {
		to.Rules = give(rules)
	}
	if c.DieWithParent {
		to.Parent = os.Getpid()
	}
	j.args = to.Args(c.Args)
	return j, nil
}

// begin starts the trampoline.
func (j *jump) begin() (*os.Process, error) {
	defer j.close()
	p, err := j.by.start(j.args, &j.attr, false)
	if err != nil {
		_ = j.status.Close()
	}
	return p, err
}

// close closes what is the trampoline's.
func (j *jump) close() {
	for _, f := range j.theirs {
		_ = f.Close()
	}
}

// await waits until the program runs, and returns why it does not.
func (j *jump) await(pid int, limit time.Duration) error {
	defer j.status.Close()
	_ = j.status.SetReadDeadline(time.Now().Add(limit / 2))
	said, err := io.ReadAll(j.status)
	if errors.Is(err, os.ErrDeadlineExceeded) { // only now is it worth a look at what it had of the processors
		ctx, cancel := patience.WithTimeout(context.Background(), limit/2, func() int { return pid })
		defer cancel()
		_ = j.status.SetReadDeadline(time.Time{})
		defer context.AfterFunc(ctx, func() { _ = j.status.SetReadDeadline(time.Unix(1, 0)) })()
		var rest []byte
		rest, err = io.ReadAll(j.status)
		said = append(said, rest...)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("its program does not run after %v; a process of its user may have stopped it", limit)
	}
	return trampoline.Parse(said)
}
