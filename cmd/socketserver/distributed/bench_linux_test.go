package distributed

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// BenchmarkAgainst compares 1,000 lines and 16 MiB of a conversation, and connections with one line, by the processor time
// of all that takes part, clients too, and by the clock: in this process, over a plain splice between two connections of TCP, on a
// worker, and over HAProxy where it is installed. They take turns, and the metrics are ratios.
func BenchmarkAgainst(b *testing.B) {
	conn := connect(b)
	startWorker(b, conn, "b", 1000)
	_, s, log := startFront(b, conn)
	frameworktest.Serve(b, s)
	log.await(b, "worker is known")
	local := frameworktest.NewServer(b, "tcp", class())
	local.Strategy = &framework.Threading{}
	frameworktest.Serve(b, local)
	subjects := []subject{{name: "local", address: local.Addr().String()}, {name: "splice", address: relayTo(b, local.Addr().String())}, {name: "distributed", address: s.Addr().String()}}
	proxy, spent := haproxyTo(b, local.Addr().String())
	if proxy != "" {
		subjects = append(subjects, subject{name: "haproxy", address: proxy})
	}
	for name, do := range map[string]func(b *testing.B, address string){"line": lines1000, "bulk": bulk16, "connection": connections} {
		b.Run(name, func(b *testing.B) {
			all := slices.Clone(subjects)
			for b.Loop() {
				for i := range all {
					began, before := time.Now(), cpu()+spent()
					do(b, all[i].address)
					all[i].cpu += cpu() + spent() - before
					all[i].time += time.Since(began)
				}
			}
			b.ReportMetric(float64(all[2].cpu)/float64(all[0].cpu), "of-local")
			splice := all[1]
			for _, s := range all[2:] {
				b.ReportMetric(float64(s.cpu)/float64(splice.cpu), s.name+"-of-splice")
				b.ReportMetric(float64(s.time)/float64(splice.time), s.name+"-time-of-splice")
			}
		})
	}
}

// A subject is what BenchmarkAgainst compares, with what it has taken.
type subject struct {
	name, address string
	cpu, time     time.Duration
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

// haproxyTo starts HAProxy in front of a server, and returns its address and the processor time that it has spent. Where it is
// not installed at is "".
func haproxyTo(b *testing.B, address string) (at string, spent func() time.Duration) {
	spent = func() time.Duration { return 0 }
	path, err := exec.LookPath("haproxy")
	if err != nil {
		return "", spent
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	at = l.Addr().String()
	require.NoError(b, l.Close())
	config := filepath.Join(b.TempDir(), "haproxy.cfg")
	require.NoError(b, os.WriteFile(config, fmt.Appendf(nil, `defaults
  mode tcp
  timeout connect 10s
  timeout client 1m
  timeout server 1m
  option splice-auto
listen l
  bind %s
  server s %s
`, at, address), 0o600))
	c := exec.Command(path, "-db", "-q", "-f", config)
	require.NoError(b, c.Start())
	b.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	require.Eventually(b, func() bool {
		c, err := net.Dial("tcp", at)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, frameworktest.Patience, 10*time.Millisecond)
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", c.Process.Pid))
	require.NoError(b, err)
	return at, func() (sum time.Duration) {
		for _, task := range tasks {
			text, _ := os.ReadFile(task)
			var on time.Duration // nanoseconds
			_, _ = fmt.Sscan(string(text), &on)
			sum += on
		}
		return sum
	}
}
