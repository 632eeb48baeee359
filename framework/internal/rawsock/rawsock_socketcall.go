//go:build linux && (386 || s390x)

package rawsock

import "syscall"

// Sockets have one system call for everything here, so package syscall makes it.

const flags = syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL

// Send sends what the system takes of p.
func Send(fd uintptr, p []byte) (int, error) {
	n, err := syscall.SendmsgN(int(fd), p, nil, nil, flags)
	return max(n, 0), err
}

// Receive receives what has arrived.
func Receive(fd uintptr, p []byte) (int, error) {
	n, _, err := syscall.Recvfrom(int(fd), p, flags)
	return max(n, 0), err
}

// SendMessage sends p as one message, with rights.
func SendMessage(fd uintptr, p, rights []byte) error {
	return syscall.Sendmsg(int(fd), p, rights, nil, flags)
}

// ReceiveMessage receives one message into p, and its rights.
func ReceiveMessage(fd uintptr, p, rights []byte) (n, controlled, how int, err error) {
	n, controlled, how, _, err = syscall.Recvmsg(int(fd), p, rights, flags|syscall.MSG_CMSG_CLOEXEC)
	return n, controlled, how, err
}

// Close closes fd.
func Close(fd int) error { return syscall.Close(fd) }

// Monitor does nothing, as all system calls do what it does elsewhere.
func Monitor() {}
