//go:build !unix

package framework

import "syscall"

// socketWriter writes nothing here: TryWrite leaves everything to wfile.
type socketWriter struct{}

func (*socketWriter) open(syscall.Conn)           {}
func (*socketWriter) ready() bool                 { return false }
func (*socketWriter) write(p []byte) (int, error) { return 0, nil }
