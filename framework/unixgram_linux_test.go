package framework_test

import (
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
	t.Chdir(dir)
	unique := filepath.Base(dir)
	long := filepath.Join(dir, "p")
	long += strings.Repeat("p", 108-len(long))
	for name, shown := range map[string]string{
		"\x00c" + unique + strings.Repeat("\x00", 102-len(unique)): `"@c` + unique + strings.Repeat(`\x00`, 102-len(unique)) + `"`,
		"\x00" + unique + "\x00x":                                  `"@` + unique + `\x00x"`,
		"\x00" + unique + "\n\xff":                                 `"@` + unique + `\n\xff"`,
		"\x00" + unique:                                            "@" + unique,
		"\x00\x00\x00" + unique:                                    `"@\x00\x00` + unique + `"`,
		"@" + unique:                                               `"@` + unique + `"`, // a file
		"two\nlines\u202e":                                         `"two\nlines\u202e"`,
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
				if victim = "\x00" + strings.TrimPrefix(victim, "@"); victim == name || len(victim) == 1 || len(victim) > 108 {
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
