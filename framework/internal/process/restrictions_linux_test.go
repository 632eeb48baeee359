package process

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A thread that cannot become the user of a process keeps its own group, which the next process that
// it starts inherits.
func TestThreadKeepsItsGroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	child := exec.Command("sleep", "1h")
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	require.NoError(t, child.Start())
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	var group [3]int
	var capabilities, applied error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: it has fewer capabilities
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var has [2]unix.CapUserData
		if capabilities = unix.Capget(&header, &has[0]); capabilities != nil {
			return
		}
		has[0].Effective &^= 1<<unix.CAP_SETUID | 1<<unix.CAP_SYS_RESOURCE
		if capabilities = unix.Capset(&header, &has[0]); capabilities == nil {
			applied = (&Restrictions{Files: 64, AsUser: true, UID: 65534, GID: 65534}).apply(child.Process.Pid)
			group[0], group[1], group[2] = unix.Getresgid()
		}
	}()
	<-done
	require.NoError(t, capabilities)
	require.EqualError(t, applied, "become the user of a process: operation not permitted")
	require.Equal(t, [3]int{}, group)
}
