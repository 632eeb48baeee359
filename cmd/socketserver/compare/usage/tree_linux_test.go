package usage_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/usage"
)

// roleVariable makes the test binary one of the processes of a tree.
const roleVariable = "USAGE_TEST_ROLE"

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	switch os.Getenv(roleVariable) {
	case "parent":
		beParent()
	case "child":
		beChild()
	default:
		goleak.VerifyTestMain(m)
	}
}

// beParent carries out orders, a word a line, and answers each with a line.
func beParent() {
	var children []*tree
	orders := bufio.NewScanner(os.Stdin)
	fmt.Println("ready")
	for orders.Scan() {
		switch orders.Text() {
		case "start":
			child, err := start("child")
			if err != nil {
				panic(err)
			}
			children = append(children, child)
		case "spin": // the youngest child
			if _, err := children[len(children)-1].ask("spin"); err != nil {
				panic(err)
			}
		case "end": // the youngest child, and wait for it
			if err := children[len(children)-1].end(); err != nil {
				panic(err)
			}
			children = children[:len(children)-1]
		case "leave": // the youngest child ends, and its parent does not wait for it
			child := children[len(children)-1]
			child.in.Close()
			_, _ = io.Copy(io.Discard, child.out)
			children = children[:len(children)-1]
		}
		fmt.Println("done")
	}
}

// spun is the CPU time that a child uses at the order to spin.
const spun = 60 * time.Millisecond

// beChild is a process with some more descriptors, threads and memory than others.
func beChild() {
	held := make([]byte, held)
	for i := 0; i < len(held); i += os.Getpagesize() {
		held[i] = 1
	}
	for range descriptors {
		if _, err := os.Open(os.DevNull); err != nil {
			panic(err)
		}
	}
	locked := make(chan struct{})
	for range threads {
		go func() {
			runtime.LockOSThread()
			locked <- struct{}{}
			select {}
		}()
		<-locked
	}
	fmt.Println("ready")
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
		for before := usage.Self(); usage.Self()-before < spun; {
		}
		fmt.Println("done")
	}
	runtime.KeepAlive(held)
}

const (
	held        = 32 << 20
	descriptors = 50
	threads     = 10
)

// A tree is a process and its children.
type tree struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func start(role string) (*tree, error) {
	p := &tree{command: exec.Command("/proc/self/exe")}
	p.command.Env = append(os.Environ(), roleVariable+"="+role)
	p.command.Stderr = os.Stderr
	var err error
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	_, err = p.out.ReadString('\n') // ready
	return p, err
}

func (p *tree) ask(order string) (string, error) {
	if _, err := fmt.Fprintln(p.in, order); err != nil {
		return "", err
	}
	return p.out.ReadString('\n')
}

func (p *tree) end() error {
	p.in.Close()
	return p.command.Wait()
}

func (p *tree) tell(t *testing.T, orders ...string) {
	t.Helper()
	for _, order := range orders {
		answer, err := p.ask(order)
		require.NoError(t, err)
		require.Equal(t, "done\n", answer)
	}
}

func (p *tree) usage(t *testing.T) usage.Usage {
	t.Helper()
	u, err := usage.Of(p.command.Process.Pid)
	require.NoError(t, err)
	return u
}

func (p *tree) cpu() time.Duration { return usage.CPU(p.command.Process.Pid) }

func plant(t *testing.T) *tree {
	t.Helper()
	p, err := start("parent")
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.end() })
	return p
}

// A child adds to all that its parent's tree uses, and takes it away when it ends.
func TestOfTree(t *testing.T) {
	p := plant(t)
	alone := p.usage(t)
	require.Equal(t, 1, alone.Processes)
	require.Positive(t, alone.Threads)
	require.Positive(t, alone.Resident)
	require.Positive(t, alone.Proportional)
	require.LessOrEqual(t, alone.Proportional, alone.Resident)

	p.tell(t, "start", "start")
	both := p.usage(t)
	require.Equal(t, 3, both.Processes)
	require.GreaterOrEqual(t, both.Threads, alone.Threads+2*threads)
	require.GreaterOrEqual(t, both.Descriptors, alone.Descriptors+2*descriptors)
	require.GreaterOrEqual(t, both.Resident, alone.Resident+2*held)
	require.GreaterOrEqual(t, both.Proportional, alone.Proportional+2*held)

	p.tell(t, "end", "end")
	after := p.usage(t)
	require.Equal(t, 1, after.Processes)
	require.Less(t, after.Resident, alone.Resident+held)
	require.Less(t, after.Descriptors, alone.Descriptors+descriptors)
}

// The CPU time of children counts while they live, as zombies, and when they have been waited for.
func TestCPUOfChildren(t *testing.T) {
	p := plant(t)
	used := func(since time.Duration) time.Duration { return usage.Since(since, p.cpu()) }
	before := p.cpu()
	for range 3 {
		p.tell(t, "start", "spin")
	}
	living := used(before)
	require.GreaterOrEqual(t, living, 3*spun)
	p.tell(t, "end")
	require.GreaterOrEqual(t, used(before), living-ticks)
	p.tell(t, "leave")
	require.GreaterOrEqual(t, used(before), living-2*ticks)
	require.Equal(t, 3, p.usage(t).Processes) // a zombie included
	require.Positive(t, p.usage(t).Resident)
	p.tell(t, "end")
	require.GreaterOrEqual(t, used(before), living-3*ticks)
	require.Less(t, used(before), living+3*spun)
}

// ticks are what the time of a process that ends loses at the most, in the two parts that
// it has.
const ticks = 2 * 10 * time.Millisecond

// Children that come and go while they are counted are neither an error nor lost.
func TestOfComingAndGoing(t *testing.T) {
	p := plant(t)
	before := p.cpu()
	const children = 4
	ended := make(chan error, 1)
	go func() {
		var err error
		for range children {
			for _, order := range []string{"start", "spin", "end"} {
				if err == nil {
					_, err = p.ask(order)
				}
			}
		}
		ended <- err
	}()
	last := before
	for {
		select {
		case err := <-ended:
			require.NoError(t, err)
			require.GreaterOrEqual(t, usage.Since(before, p.cpu()), children*spun-ticks)
			return
		default:
		}
		require.LessOrEqual(t, p.usage(t).Processes, 2)
		now := p.cpu()
		require.Greater(t, now, last-spun/2, "a child was lost now, or counted twice before")
		last = now
	}
}

// A process that has ended is an error.
func TestOfGone(t *testing.T) {
	p := plant(t)
	require.NoError(t, p.end())
	_, err := usage.Of(p.command.Process.Pid)
	require.ErrorIs(t, err, os.ErrProcessDone)
	require.ErrorContains(t, err, fmt.Sprintf("usage of process %d", p.command.Process.Pid))
	require.Negative(t, p.cpu())
}

// The machine's time goes on, at the pace of its processors.
func TestNow(t *testing.T) {
	p := plant(t)
	before, then := usage.Now(), time.Now()
	p.tell(t, "start", "spin")
	after, elapsed := usage.Now(), time.Since(then)
	require.Greater(t, after.Total, before.Total)
	require.GreaterOrEqual(t, after.Busy-before.Busy, spun/2)
	require.Less(t, after.Total-before.Total, (elapsed+ticks)*time.Duration(2*runtime.NumCPU()))
	require.Positive(t, after.Others(before, 0))
}

func TestEnvironment(t *testing.T) {
	e := usage.Environment()
	require.Positive(t, e.Cores)
	require.Greater(t, e.Memory, uint64(64<<20))
	require.True(t, strings.HasPrefix(e.Kernel, "Linux "), e.Kernel)
}
