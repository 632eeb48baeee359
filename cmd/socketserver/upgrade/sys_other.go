//go:build !linux

package upgrade

import (
	"errors"
	"os"
	"syscall"
)

// Signal is none of this system.
const Signal = syscall.Signal(-1)

func pair() (ours, theirs *os.File, err error) {
	return nil, nil, errors.New("upgrades need Linux")
}

var ownGroup *syscall.SysProcAttr

func kill(p *os.Process)                { _ = p.Kill() }
func open(fd int, name string) *os.File { return os.NewFile(uintptr(fd), name) }
func redirect(*os.File)                 {}
