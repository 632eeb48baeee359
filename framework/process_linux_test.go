package framework_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

func init() {
	roles["server"] = runServer
	verbs["kill"] = func(_ io.Writer, signal int) error {
		_ = syscall.Kill(os.Getpid(), syscall.Signal(signal))
		select {} // until it arrives
	}
	verbs["linger"] = func(wfile io.Writer, seconds int) error { // a process of its own keeps our stderr
		background := exec.Command("sleep", strconv.Itoa(seconds))
		background.Stderr = os.Stderr
		background.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := background.Start(); err != nil {
			return err
		}
		_, err := fmt.Fprintln(wfile, "lingering")
		return err
	}
	verbs["leave"] = func(wfile io.Writer, seconds int) error { // a process of its own keeps our channel
		background := exec.Command("sleep", strconv.Itoa(seconds))
		background.ExtraFiles = []*os.File{os.NewFile(3, "channel")}
		background.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := background.Start(); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(wfile, background.Process.Pid)
		select {} // for as long as the process lives
	}
	verbs["gate"] = func(_ io.Writer, port int) error { // waits for a datagram of whom it tells so
		conn, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			return err
		}
		held = append(held, conn) // to close it would tell the scheduler
		if _, err := fmt.Fprintln(conn, "waiting"); err != nil {
			return err
		}
		raw, err := conn.SyscallConn()
		if err != nil {
			return err
		}
		return raw.Read(func(fd uintptr) bool { // past the scheduler
			var said [100]byte
			_, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&said)), unsafe.Sizeof(said))
			return errno != syscall.EAGAIN
		})
	}
	verbs["files"] = func(wfile io.Writer, limit int) error { // from now on at most so many descriptors
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(limit), Max: uint64(limit)}); err != nil {
			return err
		}
		_, err := fmt.Fprintln(wfile, "limited")
		return err
	}
}

// held are connections that nothing may close.
var held []net.Conn

// serverOptions are those of the role server.
type serverOptions struct {
	Forking     bool   `json:"forking"`
	Preforking  int    `json:"preforking"` // workers; 0: none
	Spares      int    `json:"spares"`
	MaxRequests int    `json:"max_requests"`
	Files       uint64 `json:"files"`      // the hard limit of open descriptors
	Canary      string `json:"canary"`     // a file to be held open without close-on-exec
	Datagrams   bool   `json:"datagrams"`  // of UDP, one after the other
	Processors  int    `json:"processors"` // of the runtime; 0: all
	Passing     bool   `json:"passing"`    // connections pass a layer
}

// runServer serves act, over TCP as a rule, until its standard input ends.
func runServer() {
	var o serverOptions
	must(json.Unmarshal([]byte(os.Args[1]), &o))
	if o.Canary != "" {
		for range 3 {
			_, err := syscall.Open(o.Canary, syscall.O_RDONLY, 0)
			must(err)
		}
	}
	if o.Files > 0 { // the hard one too, as the runtime raises the soft one
		must(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: o.Files, Max: o.Files}))
	}
	if o.Processors > 0 {
		runtime.GOMAXPROCS(o.Processors)
	}
	class, err := act.Class(nil)
	must(err)
	s := &framework.NewTCPServer("127.0.0.1:0", class).BaseServer
	s.Strategy = &framework.Threading{}
	if o.Datagrams {
		s = &framework.NewUDPServer("127.0.0.1:0", class).BaseServer
	}
	s.Log = hclog.New(&hclog.LoggerOptions{Output: os.Stderr, Level: hclog.Debug})
	if o.Forking {
		s.Strategy = &framework.Forking{Spares: o.Spares, MaxRequests: o.MaxRequests}
	}
	if o.Preforking > 0 {
		s.Strategy = &framework.Preforking{Workers: o.Preforking}
	}
	if o.Passing {
		s.Layers = []framework.Layer{passing{}}
	}
	must(s.Listen())
	fmt.Println(s.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		s.Stop()
	}()
	if err := s.ServeForever(); !errors.Is(err, framework.ErrServerClosed) {
		must(err)
	}
	must(s.Close())
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// role is a process of this binary.
type role struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	address string
	log     *frameworktest.Log
	ended   chan error
}

// startRole starts a process and waits until it listens.
func startRole(t *testing.T, name, options string) *role {
	t.Helper()
	p := &role{cmd: exec.Command(os.Args[0], options), log: frameworktest.NewLog(), ended: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), roleVariable+"="+name, "SECRET_CANARY=secret", "DEMANDED=yes")
	p.cmd.Stderr = p.log
	stdin, err := p.cmd.StdinPipe()
	require.NoError(t, err)
	p.stdin = stdin
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, p.log)
	p.address = strings.TrimSpace(line)
	p.cmd.WaitDelay = time.Second // a child that outlives it may hold its stderr
	go func() { p.ended <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		if t.Failed() {
			t.Log(p.log)
		}
	})
	return p
}

func (p *role) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.address)
	require.NoError(t, err)
	return frameworktest.Adopt(t, conn)
}

// stop ends the process as an operator does.
func (p *role) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.stdin.Close())
	require.NoError(t, frameworktest.Await(t, p.ended))
}

// kill ends it as a crash does.
func (p *role) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Kill())
	require.Error(t, frameworktest.Await(t, p.ended))
}

// watched is a process whose end can be waited for though it is nobody's child.
type watched struct {
	pid int
	fd  int
}

// watch begins to watch a process that lives.
func watch(t *testing.T, pid int) watched {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ENOSYS) {
		t.Skip("needs pidfd_open, of Linux 5.3")
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	return watched{pid, fd}
}

// awaitEnds waits until n of the processes have ended.
func awaitEnds(t *testing.T, all []watched, n int) {
	t.Helper()
	var alive []unix.PollFd
	for _, w := range all {
		alive = append(alive, unix.PollFd{Fd: int32(w.fd), Events: unix.POLLIN})
	}
	for len(alive) > len(all)-n {
		ready, err := unix.Poll(alive, int(frameworktest.Patience.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		require.NoError(t, err)
		require.NotZero(t, ready, "%d processes live", len(alive))
		alive = slices.DeleteFunc(alive, func(p unix.PollFd) bool { return p.Revents != 0 })
	}
}

// A process at its limit keeps the connections that it has, and takes new ones as
// soon as some are given back.
func TestServerOutOfDescriptorsKeepsItsConnections(t *testing.T) {
	p := startRole(t, "server", `{"files": 40}`)
	old := p.dial(t)
	frameworktest.Send(t, old, "hold\n")
	frameworktest.Expect(t, old, "holding\n")
	var crowd []net.Conn
	for range 60 {
		crowd = append(crowd, p.dial(t))
	}
	require.Contains(t, p.log.Await(t, "ulimit -n"), "too many open files")
	frameworktest.Send(t, old, "still here\n")
	frameworktest.Expect(t, old, "released still here\n")
	for _, conn := range crowd {
		require.NoError(t, conn.Close())
	}
	conn := p.dial(t)
	frameworktest.Send(t, conn, "echo back again\n")
	frameworktest.Expect(t, conn, "back again\n")
	p.stop(t)
}

// requireConfined checks what a child has inherited.
func requireConfined(t *testing.T, pid int) {
	t.Helper()
	dir := "/proc/" + strconv.Itoa(pid)
	status, err := os.ReadFile(dir + "/status")
	require.NoError(t, err)
	require.Contains(t, string(status), "\nNoNewPrivs:\t1\n")
	require.Contains(t, string(status), "\nUmask:\t0077\n")
	score, err := os.ReadFile(dir + "/oom_score_adj")
	require.NoError(t, err)
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	require.NoError(t, err)
	require.Greater(t, len(score), len(own), "%s is not above %s", score, own)
}

// Children and workers get no privileges, keep their files to themselves, and are ended before
// their server when the system is out of memory.
func TestChildrenAreConfined(t *testing.T) {
	f, p := &framework.Forking{}, &framework.Preforking{Workers: 2}
	for _, strategy := range []interface {
		framework.Strategy
		ActiveChildren() []int
	}{f, p} {
		s := newServer["tcp"](t, class(t, act))
		s.Strategy = strategy
		frameworktest.Serve(t, s)
		hold(t, s)
		require.NotEmpty(t, strategy.ActiveChildren())
		for _, pid := range strategy.ActiveChildren() {
			requireConfined(t, pid)
		}
	}
}
