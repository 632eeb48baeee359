package socket

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/framework/internal/rawsock"
)

// unixClient is the address of a client as the system has it, and its user. Package net ends an abstract
// name at its first NUL, and takes a path that begins with @ for an abstract name: the answer would go to
// another socket.
type unixClient rawsock.UnixSender

func (*unixClient) Network() string { return "unixgram" }

// isAbstract reports whether the name is no path.
func (c *unixClient) isAbstract() bool { return strings.HasPrefix(c.Name, "\x00") }

// path returns a name that is not abstract, without the NUL that ends it.
func (c *unixClient) path() string {
	path, _, _ := strings.Cut(c.Name, "\x00")
	return path
}

// String returns the name as package net writes it, quoted where that cannot be printed.
func (c *unixClient) String() string {
	var name string
	if c.isAbstract() {
		name = "@" + c.Name[1:]
	} else {
		name = c.path()
	}
	if quoted := strconv.Quote(name); len(quoted) != len(name)+2 || strings.HasPrefix(c.Name, "@") {
		return quoted
	}
	return name
}

// passCredentials has the system note the users of the clients of a socket, for every process that has it.
func passCredentials(fd int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
}

// receiveUnixgram receives one datagram and the client's address; nil: it has none.
func receiveUnixgram(c *net.UnixConn, buf []byte) (n int, from net.Addr, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	client := new(unixClient)
	failed := raw.Read(func(fd uintptr) bool {
		n, *(*rawsock.UnixSender)(client), err = rawsock.ReceiveFromUnix(fd, buf)
		return !errors.Is(err, syscall.EAGAIN)
	})
	if failed != nil {
		return 0, nil, failed
	}
	if err != nil {
		return 0, nil, os.NewSyscallError("recvmsg", err)
	}
	if client.Name == "" {
		return n, nil, nil
	}
	return n, client, nil
}

// sendUnixgram sends without blocking. What a path leads to is looked up by this process: with its rights, in its
// directory and its mounts. So it is opened first, and gets the answer if it is a socket of the sender's user; nothing
// can take its place in between.
func sendUnixgram(c *net.UnixConn, p []byte, to net.Addr) error {
	client := to.(*unixClient)
	name := client.Name
	if !client.isAbstract() {
		file, err := client.open()
		if err != nil {
			return err
		}
		defer func() { _ = syscall.Close(file) }()
		name = "/proc/self/fd/" + strconv.Itoa(file)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) { err = rawsock.SendToUnix(fd, p, name) })
	if failed != nil {
		return failed
	}
	if errors.Is(err, syscall.ENOENT) { // the socket is there
		return errNoProc
	}
	return err
}

var (
	errUnknownUser = &unanswered{
		"the system does not know the user that it comes from, as it was sent before this server had the socket",
		"set PassCredentials=yes in the unit of the socket",
	}
	errOthersSocket = &unanswered{
		"what its client's name leads to here is no socket of the user that it comes from",
		"bind the client to a path that is the same for this server, as its own user, or to an abstract name",
	}
	errNoProc = &unanswered{"there is no /proc to reach its client's socket by", "mount /proc, or bind the client to an abstract name"}
)

// open returns a descriptor of the client's file, which can be sent to and nothing else.
func (c *unixClient) open() (int, error) {
	path := c.path()
	switch {
	case !strings.HasPrefix(path, "/"):
		return -1, errRelativeName
	case !c.Known:
		return -1, errUnknownUser
	}
	file, err := syscall.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("open", err)
	}
	var found syscall.Stat_t
	if err = syscall.Fstat(file, &found); err == nil && (found.Mode&syscall.S_IFMT != syscall.S_IFSOCK || found.Uid != c.User) {
		err = errOthersSocket
	}
	if err != nil {
		_ = syscall.Close(file)
		return -1, err
	}
	return file, nil
}
