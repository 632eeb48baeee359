package framework_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/go-socketserver/socketserver/framework"
)

// The memory of the server is no part of what a child costs, as it is for fork(2).
func BenchmarkForkingBesideHeap(b *testing.B) {
	for _, size := range []int{0, 1 << 30} {
		b.Run(fmt.Sprintf("%dMiB", size>>20), func(b *testing.B) {
			heap := make([]byte, size)
			for i := 0; i < len(heap); i += 4096 {
				heap[i] = 1
			}
			class, err := act.Class(nil)
			if err != nil {
				b.Fatal(err)
			}
			s := framework.NewTCPServer("127.0.0.1:0", class)
			s.Strategy = &framework.Forking{}
			if err := s.Listen(); err != nil {
				b.Fatal(err)
			}
			go func() { _ = s.ServeForever() }()
			defer func() { _ = s.Shutdown(context.Background()) }()
			for b.Loop() {
				conn, err := net.Dial("tcp", s.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				if _, err = io.WriteString(conn, "echo x\n"); err == nil {
					_, err = io.ReadFull(conn, make([]byte, 2))
				}
				if err != nil {
					b.Fatal(err)
				}
				_ = conn.Close()
			}
			runtime.KeepAlive(heap)
		})
	}
}
