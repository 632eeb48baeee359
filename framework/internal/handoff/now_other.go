//go:build linux && (386 || s390x)

package handoff

import "syscall"

// Sockets have one system call for everything here, so package syscall makes it.

const noWait = syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL

// SendNow sends what the system takes of p without waiting.
func SendNow(fd uintptr, p []byte) (int, error) {
	n, err := syscall.SendmsgN(int(fd), p, nil, nil, noWait)
	return max(n, 0), err
}

// ReceiveNow receives what has arrived without waiting.
func ReceiveNow(fd uintptr, p []byte) (int, error) {
	n, _, err := syscall.Recvfrom(int(fd), p, noWait)
	return max(n, 0), err
}

func sendMessage(fd uintptr, p, rights []byte) error {
	return syscall.Sendmsg(int(fd), p, rights, nil, noWait)
}

func receiveMessage(fd uintptr, p, rights []byte) (n, controlled, flags int, err error) {
	n, controlled, flags, _, err = syscall.Recvmsg(int(fd), p, rights, noWait|syscall.MSG_CMSG_CLOEXEC)
	return n, controlled, flags, err
}

func closeNow(fd int) error { return syscall.Close(fd) }

// Monitor does nothing, as all system calls do what it does elsewhere.
func Monitor() {}
