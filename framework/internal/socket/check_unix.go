//go:build unix

package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-socketserver/socketserver/internal/vsock"
)

// errChecked ends an attempt to listen before it listens.
var errChecked = errors.New("the address can be bound")

// Check returns the error that Listen or ListenPacket would return for the address, without
// opening a socket there. An address in use is no error: its server may be the one that asks.
func Check(network, address string, o *Options) error {
	switch {
	case networks[network].path:
		return checkPath(address)
	case network == "vsock":
		_, err := vsock.ParseAddr(address)
		return errors.Join(err, vsock.Check())
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil || at.Addr().IsMulticast() { // of which TCP has none
		return err
	}
	// A TCP socket that does not listen keeps nobody from the address, of either network.
	config := net.ListenConfig{Control: control(func(fd int) error {
		if err := syscall.Bind(fd, sockaddr(at)); err != nil && !errors.Is(err, syscall.EADDRINUSE) {
			return os.NewSyscallError("bind", err)
		}
		return errChecked
	})}
	_, err = config.Listen(context.Background(), family("tcp", address, o.IPv6Only), address)
	if errors.Is(err, errChecked) {
		return nil
	}
	return err
}

func sockaddr(a netip.AddrPort) syscall.Sockaddr {
	if a.Addr().Is4() {
		return &syscall.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	zone, _ := strconv.ParseUint(a.Addr().Zone(), 10, 32)
	if i, err := net.InterfaceByName(a.Addr().Zone()); err == nil {
		zone = uint64(i.Index)
	}
	return &syscall.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16(), ZoneId: uint32(zone)}
}

// checkPath returns why no socket can be made at a path. One that is there is no reason.
func checkPath(path string) error {
	if strings.HasPrefix(path, "@") {
		return nil
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no directory %s; make it, or choose another path", dir)
	case err != nil:
		return fmt.Errorf("look at the directory: %w; choose another path", err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory; choose another path", dir)
	}
	const mayCreate = 4 | 2 | 1 // R_OK, as the directory is opened when a file is removed; W_OK, X_OK
	if err := syscall.Access(dir, mayCreate); err != nil {
		return fmt.Errorf("cannot make a file in %s: %w; let this user read and write there, or choose another path", dir, err)
	}
	if found, err := os.Lstat(path); err == nil && found.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is not a socket; remove it or choose another path", path)
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|syscall.O_NOFOLLOW, 0)
	switch {
	case err == nil:
		return lock.Close()
	case !errors.Is(err, fs.ErrNotExist):
		return lockError(err)
	}
	return nil
}

func lockError(err error) error {
	return fmt.Errorf("lock socket: %w; choose another path", err)
}
