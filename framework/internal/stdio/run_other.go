//go:build !linux

package stdio

import (
	"errors"
	"net"
	"syscall"
)

var errUnsupported = errors.New("programs on standard input and output need Linux")

func (*Run) Serve(syscall.Conn) error        { return errUnsupported }
func (*Run) Relay(net.Conn) error            { return errUnsupported }
func (*Run) Datagram([]byte) ([]byte, error) { return nil, errUnsupported }
