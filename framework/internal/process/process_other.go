//go:build !linux

package process

import (
	"errors"
	"os"
	"sync"
)

type (
	// A Process is a child.
	Process struct{ Pid int }
	// An Image is an executable.
	Image struct {
		Name string
		Said sync.Map
	}
)

var errUnsupported = errors.New("workers need Linux")

func Start(Command) (*Process, error)                      { return nil, errUnsupported }
func (*Process) Wait() (*os.ProcessState, error)           { return nil, errUnsupported }
func (*Process) Kill()                                     {}
func (*Process) Stopped() bool                             { return false }
func Pin(string) (*Image, error)                           { return nil, errUnsupported }
func PinCopy(string) (*Image, error)                       { return nil, errUnsupported }
func Seal(string) (*Image, string, bool, error)            { return nil, "", false, errUnsupported }
func Self() (*Image, error)                                { return nil, errUnsupported }
func (*Image) Changed() bool                               { return false }
func (*Image) Close() error                                { return nil }
func Describe(_ *os.ProcessState, err error) error         { return err }
func SetName(string)                                       {}
func OpenFilesLimit() int                                  { return 0 }
func Room() error                                          { return nil }
func Started() int64                                       { return 0 }
func KeepSpawner(Command) (release func(), err error)      { return nil, errUnsupported }
func (*Sandbox) Enforceable() (version int, gaps []string) { return 0, []string{"it needs Linux"} }
func AdoptOrphans()                                        {}
func LeaveOrphans()                                        {}
func EndOrphans()                                          {}

// Supported reports whether this system has workers.
const Supported = false

// Crashed reports nothing here.
func Crashed(*os.ProcessState) bool { return false }
