package distributed

import (
	"bufio"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// BenchmarkAgainst compares a line and a megabyte of a conversation, and a connection with one line, by the processor time
// of all that takes part, clients too: in this process, over a plain copy between two connections of TCP, and on a worker. They
// take turns, and the metrics are ratios.
func BenchmarkAgainst(b *testing.B) {
	conn := connect(b)
	startWorker(b, conn, "b", 1000)
	_, s, log := startFront(b, conn)
	frameworktest.Serve(b, s)
	log.await(b, "worker is known")
	local := frameworktest.NewServer(b, "tcp", class())
	local.Strategy = &framework.Threading{}
	frameworktest.Serve(b, local)
	relay := relayTo(b, local.Addr().String())
	addresses := []string{local.Addr().String(), relay, s.Addr().String()}
	for name, do := range map[string]func(b *testing.B, address string){"line": lines1000, "bulk": bulk16, "connection": connections} {
		b.Run(name, func(b *testing.B) {
			var used [3]time.Duration
			for b.Loop() {
				for i, address := range addresses {
					before := cpu()
					do(b, address)
					used[i] += cpu() - before
				}
			}
			b.ReportMetric(float64(used[2])/float64(used[0]), "of-local")
			b.ReportMetric(float64(used[2])/float64(used[1]), "of-splice")
			b.ReportMetric(float64(used[1])/float64(used[0]), "splice-of-local")
		})
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func lines1000(b *testing.B, address string) {
	c := frameworktest.DialAddress(b, "tcp", address)
	line, answer := make([]byte, 64), make([]byte, 64)
	frameworktest.Send(b, c, "echo\n")
	for range 1000 {
		_, err := c.Write(line)
		require.NoError(b, err)
		_, err = io.ReadFull(c, answer)
		require.NoError(b, err)
	}
	_ = c.Close()
}

func bulk16(b *testing.B, address string) {
	c := frameworktest.DialAddress(b, "tcp", address)
	go func() {
		_, _ = c.Write(append([]byte("echo\n"), make([]byte, 16<<20)...))
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	n, err := io.Copy(io.Discard, c)
	require.NoError(b, err)
	require.EqualValues(b, 16<<20, n)
	_ = c.Close()
}

func connections(b *testing.B, address string) {
	for range 50 {
		c := frameworktest.DialAddress(b, "tcp", address)
		frameworktest.Send(b, c, "echo\nhello\n")
		answer, err := bufio.NewReader(c).ReadString('\n')
		require.NoError(b, err)
		require.Equal(b, "hello\n", answer)
		_ = c.Close()
	}
}

// relayTo copies between clients and a server.
func relayTo(b *testing.B, address string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				to, err := net.Dial("tcp", address)
				if err != nil {
					return
				}
				go func() { _, _ = io.Copy(to, c); _ = to.(*net.TCPConn).CloseWrite() }()
				_, _ = io.Copy(c, to)
				_, _ = c.Close(), to.Close()
			}()
		}
	}()
	return l.Addr().String()
}
