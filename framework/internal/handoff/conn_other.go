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
	ErrUnsupported = errors.New("workers need Linux")
)

func Pair() (*Conn, *os.File, error) { return nil, nil, ErrUnsupported }

func FromDescriptor(int) (*Conn, error)                                { return nil, ErrUnsupported }
func (*Conn) Send(*Frame, syscall.Conn) error                          { return ErrUnsupported }
func (*Conn) TrySend(*Frame) error                                     { return ErrUnsupported }
func (*Conn) Receive(func(Frame) error) error                          { return ErrUnsupported }
func (*Conn) ReceiveSocket(func(Frame, *Descriptor, bool) error) error { return ErrUnsupported }
func (*Conn) Unblock()                                                 {}
func (*Conn) Close() error                                             { return nil }

func (*Conn) CloseWrite() error { return ErrUnsupported }
func (*Conn) CloseRead() error  { return ErrUnsupported }

// Descriptor does not exist outside Linux.
type Descriptor struct{}

func StreamPair() (*os.File, *Descriptor, error)          { return nil, nil, ErrUnsupported }
func Duplicate(syscall.Conn) (*Descriptor, error)         { return nil, ErrUnsupported }
func (*Descriptor) SyscallConn() (syscall.RawConn, error) { return nil, ErrUnsupported }
func (*Descriptor) Control(func(fd uintptr)) error        { return ErrUnsupported }
func (*Descriptor) File() *os.File                        { return nil }
func (*Descriptor) Conn() (net.Conn, error)               { return nil, ErrUnsupported }
func (*Descriptor) Close() error                          { return nil }
