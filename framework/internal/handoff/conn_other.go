//go:build !linux

package handoff

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// Conn does not exist outside Linux.
type Conn struct{}

var (
	ErrFull        = errors.New("the worker's channel is full")
	errUnsupported = errors.New("workers need Linux")
)

func Pair() (*Conn, *os.File, error)                                   { return nil, nil, errUnsupported }
func FromDescriptor(int) (*Conn, error)                                { return nil, errUnsupported }
func (*Conn) Send(*Frame, syscall.Conn) error                          { return errUnsupported }
func (*Conn) TrySend(*Frame) error                                     { return errUnsupported }
func (*Conn) Receive(func(Frame) error) error                          { return errUnsupported }
func (*Conn) ReceiveSocket(func(Frame, *Descriptor, bool) error) error { return errUnsupported }
func (*Conn) Unblock()                                                 {}
func (*Conn) Close() error                                             { return nil }

func (*Conn) CloseWrite() error { return errUnsupported }
func (*Conn) CloseRead() error  { return errUnsupported }

// Descriptor does not exist outside Linux.
type Descriptor struct{}

func StreamPair() (net.Conn, *Descriptor, error)          { return nil, nil, errUnsupported }
func Duplicate(syscall.Conn) (*Descriptor, error)         { return nil, errUnsupported }
func (*Descriptor) SyscallConn() (syscall.RawConn, error) { return nil, errUnsupported }
func (*Descriptor) Control(func(fd uintptr)) error        { return errUnsupported }
func (*Descriptor) File() *os.File                        { return nil }
func (*Descriptor) Conn() (net.Conn, error)               { return nil, errUnsupported }
func (*Descriptor) Close() error                          { return nil }
