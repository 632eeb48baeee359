//go:build !linux

package rawsock

import "errors"

// Send does not exist here.
func Send(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }

// Receive does not exist here.
func Receive(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }

// Monitor does nothing.
func Monitor() {}
