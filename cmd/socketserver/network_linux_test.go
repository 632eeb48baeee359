package main

import (
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// ownNetworkVariable is set in a process that has one.
const ownNetworkVariable = "TEST_IN_OWN_NETWORK"

// fixedPorts is held by a test that has no network of its own.
var fixedPorts sync.Mutex

// inOwnNetwork runs the test once more in a process with a network of its own, in which every
// port is free: elsewhere a fixed one may be that of somebody's connection. It returns false
// where the test is to go on: in that process, or where no network can be made.
func inOwnNetwork(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownNetworkVariable) != "" {
		loopbackUp(t)
		return false
	}
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	command.Env = append(os.Environ(), ownNetworkVariable+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Getuid() != 0 {
		command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	}
	t.Parallel() // it shares nothing with other tests
	output, err := command.CombinedOutput()
	if command.Process == nil {
		fixedPorts.Lock()
		t.Cleanup(fixedPorts.Unlock)
		t.Logf("no network of its own, so its ports have to be free: %v", err)
		return false
	}
	require.NoError(t, err, "%s", output)
	t.Logf("%s", output)
	return true
}

// loopbackUp does what ip link set lo up does.
func loopbackUp(t *testing.T) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(request.name[:], "lo")
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request)))
	require.Zero(t, errno)
}
