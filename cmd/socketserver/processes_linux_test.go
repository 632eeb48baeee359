package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A limit on processes costs requests, is named with its remedy, and does not end the daemon.
func TestProcessLimit(t *testing.T) {
	for _, most := range []int{40, 25, 60, 80}[:often(1, 4)] {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			group := filepath.Join("/sys/fs/cgroup/pids", fmt.Sprintf("socketserver-test-%d-%d", os.Getpid(), most))
			if err := os.Mkdir(group, 0o755); err != nil {
				t.Skip("needs the right to make a control group of pids: ", err)
			}
			t.Cleanup(func() { _ = os.Remove(group) })
			script := fmt.Sprintf("echo $$ > %[1]s/cgroup.procs && echo %d > %[1]s/pids.max && exec socketserver serve --listen tcp://127.0.0.1:0 --handler echo --concurrency forking", group, most)
			p := start(t, t.TempDir(), exec.Command("sh", "-c", script))
			l := p.awaitListening(t)[0]
			warned := p.await(t, "the limit of processes and threads is lower than the configuration may need")
			require.Equal(t, float64(most), warned["limit"])
			var busy []net.Conn
			for range 40 {
				conn := dial(t, l)
				_, _ = conn.Write([]byte("hello"))
				busy = append(busy, conn)
			}
			p.awaitEvent(t, "a request that failed", func(e event) bool { return e["@message"] == "request failed" })
			for _, conn := range busy {
				_ = conn.Close()
			}
			served := func() bool {
				conn, err := net.Dial("tcp", l.address)
				if err != nil {
					return false
				}
				defer conn.Close()
				_, _ = conn.Write([]byte("hello"))
				n, _ := conn.Read(make([]byte, 5))
				return n == 5
			}
			for !served() {
				require.NoError(t, p.Process.Signal(syscall.Signal(0)), "the daemon has ended")
			}
			p.signal(t, syscall.SIGTERM)
			require.Zero(t, p.exit(t))
		})
	}
}
