//go:build !unix

package framework

import "syscall"

// socketWriter writes nothing here: each message goes by way of a member's queue.
type socketWriter struct{}

func (*socketWriter) open(syscall.Conn)           {}
func (*socketWriter) ready() bool                 { return false }
func (*socketWriter) write(p []byte) (int, error) { return 0, nil }
