package framework_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// bindUnixgram makes a client of any name: sun_path as C programs and Python have it, where an
// abstract name begins with a NUL. Package syscall cannot write all of them.
func bindUnixgram(t *testing.T, name string) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	wait := syscall.NsecToTimeval(int64(frameworktest.Patience))
	require.NoError(t, syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &wait))
	raw := syscall.RawSockaddrUnix{Family: syscall.AF_UNIX}
	copy((*[len(raw.Path)]byte)(unsafe.Pointer(&raw.Path))[:], name)
	_, _, errno := syscall.Syscall(syscall.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&raw)), uintptr(2+len(name)))
	require.Zero(t, errno, "%q: %v", name, errno)
	return fd
}

// Whatever name a client has, it is what gets the answer, and the name can be printed.
func TestUnixgramNames(t *testing.T) {
	dir, err := os.MkdirTemp("", "")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	unique := filepath.Base(dir)
	long := filepath.Join(dir, "p")
	long += strings.Repeat("p", 108-len(long))
	for name, shown := range map[string]string{
		"\x00c" + unique + strings.Repeat("\x00", 102-len(unique)): `"@c` + unique + strings.Repeat(`\x00`, 102-len(unique)) + `"`,
		"\x00" + unique + "\x00x":                                  `"@` + unique + `\x00x"`,
		"\x00" + unique + "\n\xff":                                 `"@` + unique + `\n\xff"`,
		"\x00" + unique:                                            "@" + unique,
		"\x00\x00\x00" + unique:                                    `"@\x00\x00` + unique + `"`,
		dir + "/two\nlines\u202e":                                  `"` + dir + `/two\nlines\u202e"`,
		long:                                                       long,
		dir + "/plain":                                             dir + "/plain",
	} {
		for strategyName, strategy := range newStrategy {
			if strategyName == "forking with spares" {
				continue
			}
			t.Run(strategyName+"/"+shown, func(t *testing.T) {
				s := framework.NewUnixDatagramServer("@server-of-"+unique, class(t, act))
				s.Strategy = strategy()
				frameworktest.Serve(t, &s.BaseServer)
				victim, _, _ := strings.Cut(strings.TrimPrefix(name, "\x00"), "\x00")
				if victim = "\x00" + victim; victim == name || len(victim) == 1 || len(victim) > 108 {
					victim = "\x00not" + unique
				}
				other := bindUnixgram(t, victim)
				client := bindUnixgram(t, name)
				t.Cleanup(func() { _ = os.Remove(strings.TrimPrefix(name, "\x00")) })
				require.NoError(t, syscall.Sendto(client, []byte("client\n"), 0, &syscall.SockaddrUnix{Name: "@server-of-" + unique}))
				answer := make([]byte, 1000)
				n, _, err := syscall.Recvfrom(client, answer, 0)
				require.NoError(t, err)
				require.Equal(t, shown+"\n", string(answer[:n]))
				_, _, err = syscall.Recvfrom(other, answer, syscall.MSG_DONTWAIT)
				require.ErrorIs(t, err, syscall.EAGAIN, "another socket has an answer")
			})
		}
	}
}

// receiveNothing expects that no datagram is there.
func receiveNothing(t *testing.T, fd int) {
	t.Helper()
	_, _, err := syscall.Recvfrom(fd, make([]byte, 100), syscall.MSG_DONTWAIT)
	require.ErrorIs(t, err, syscall.EAGAIN, "another socket has an answer")
}

// A relative name leads elsewhere from the directory of the server, where it may be the name of a socket that the client
// could not send to.
func TestRelativeUnixgramNameIsNotAnswered(t *testing.T) {
	theirs, ours := t.TempDir(), t.TempDir()
	for name, strategy := range newStrategy {
		for _, as := range []string{"s", "@" + name} {
			t.Run(name+"/"+as, func(t *testing.T) {
				t.Chdir(theirs)
				client := bindUnixgram(t, as)
				t.Chdir(ours)
				files, abstract := bindUnixgram(t, as), bindUnixgram(t, "\x00"+name)
				t.Cleanup(func() { _ = errors.Join(os.Remove(filepath.Join(theirs, as)), os.Remove(filepath.Join(ours, as))) })
				s := newServer["unixgram"](t, class(t, echo))
				s.Strategy = strategy()
				book := logOf(s)
				frameworktest.Serve(t, s)
				require.NoError(t, syscall.Sendto(client, []byte("x\n"), 0, &syscall.SockaddrUnix{Name: s.Addr().String()}))
				book.Await(t, "datagram not answered: its client's name is a relative path")
				for _, fd := range []int{client, files, abstract} {
					receiveNothing(t, fd)
				}
				require.Equal(t, "hello\n", ask(t, s, "hello\n"))
			})
		}
	}
}

// An absolute name gets the answer where it leads to a socket of the client's user, through no link of its own.
func TestUnixgramNameOfAnotherSocketIsNotAnswered(t *testing.T) {
	for replaced, replace := range map[string]func(path, victim string) error{
		"by a link": func(path, victim string) error { return errors.Join(os.Remove(path), os.Symlink(victim, path)) },
		"by a file": func(path, victim string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) },
		"by a socket of another user": func(path, victim string) error {
			if os.Geteuid() != 0 {
				t.Skip("needs root")
			}
			return errors.Join(os.Rename(victim, path), os.Lchown(path, 65534, 65534))
		},
	} {
		underEach(t, newStrategy, "unixgram", echo, func(t *testing.T, s *framework.BaseServer) {
			dir := t.TempDir()
			path, beside := filepath.Join(dir, "client"), filepath.Join(dir, "victim")
			client, victim := bindUnixgram(t, path), bindUnixgram(t, beside)
			require.NoError(t, replace(path, beside), replaced)
			book := logOf(s)
			frameworktest.Serve(t, s)
			for range 2 {
				require.NoError(t, syscall.Sendto(client, []byte("x\n"), 0, &syscall.SockaddrUnix{Name: s.Addr().String()}))
			}
			book.Await(t, "datagram not answered: what its client's name leads to here is no socket of the user that it comes from")
			receiveNothing(t, client)
			receiveNothing(t, victim)
			require.Equal(t, "hello\n", ask(t, s, "hello\n"))
		})
	}
}

// A datagram from before there was a server has no user: the socket of a service manager has some.
func TestUnixgramOfUnknownUserIsNotAnswered(t *testing.T) {
	dir := t.TempDir()
	listening, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(dir, "s")})
	require.NoError(t, err)
	early := bindUnixgram(t, filepath.Join(dir, "client"))
	require.NoError(t, syscall.Sendto(early, []byte("early\n"), 0, &syscall.SockaddrUnix{Name: filepath.Join(dir, "s")}))
	s := &framework.BaseServer{Transport: framework.PacketConn("unixgram", listening), Class: class(t, echo)}
	book := logOf(s)
	frameworktest.Serve(t, s)
	book.Await(t, "PassCredentials=yes")
	receiveNothing(t, early)
	require.NoError(t, syscall.Sendto(early, []byte("late\n"), 0, &syscall.SockaddrUnix{Name: filepath.Join(dir, "s")}))
	answer := make([]byte, 100)
	n, _, err := syscall.Recvfrom(early, answer, 0)
	require.NoError(t, err)
	require.Equal(t, "late\n", string(answer[:n]))
}
