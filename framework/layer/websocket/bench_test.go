package websocket_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer/websocket"
)

func TestRatio(t *testing.T) {
	if os.Getenv("RATIO") == "" {
		t.Skip()
	}
	s := serve(t, websocket.Options{Binary: true}, echoing)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				if _, err := ws.Upgrade(c); err != nil {
					return
				}
				for {
					h, err := ws.ReadHeader(c)
					if err != nil {
						return
					}
					p := make([]byte, h.Length)
					if _, err := io.ReadFull(c, p); err != nil {
						return
					}
					ws.Cipher(p, h.Mask, 0)
					h.Masked = false
					if ws.WriteFrame(c, ws.Frame{Header: h, Payload: p}) != nil {
						return
					}
				}
			}()
		}
	}()
	round := func(addr string) float64 {
		var wg sync.WaitGroup
		const clients, n = 8, 2000
		began := time.Now()
		for range clients {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				defer c.Close()
				frameworktest.Send(t, c, request+"\r\n")
				buf := make([]byte, 4096)
				if _, err := c.Read(buf); err != nil {
					return
				}
				var f []byte
				f = append(f, 0x82, 0x80|64, 0, 0, 0, 0)
				f = append(f, make([]byte, 64)...)
				for range n {
					_, _ = c.Write(f)
					if _, err := io.ReadFull(c, buf[:66]); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		return clients * n / time.Since(began).Seconds()
	}
	var ratios []float64
	for range 15 {
		a, b := round(s.Addr().String()), round(l.Addr().String())
		ratios = append(ratios, a/b)
	}
	slices.Sort(ratios)
	fmt.Printf("layer/bare median %.2f [%.2f..%.2f]\n", ratios[7], ratios[3], ratios[11])
}
