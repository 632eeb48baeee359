//go:build !unix

package framework

import "syscall"

// socketWriter writes nothing here: each message goes by way of a member's queue.
type socketWriter struct{}

func (*socketWriter) open(syscall.Conn)           {}
func (*socketWriter) ready() bool                 { return false }
func (*socketWriter) write(p []byte) (int, error) { return 0, nil }

// sendNow and receiveNow are for workers, which there are none of here.
func sendNow(uintptr, []byte) (int, error)    { return 0, ErrNotSupported }
func receiveNow(uintptr, []byte) (int, error) { return 0, ErrNotSupported }
