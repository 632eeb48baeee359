package operator

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// socketPath returns the path of a server's operator's socket: the option, or a path in a
// directory that only this user can change.
func socketPath(option, server string) (string, error) {
	path := option
	if path == "" {
		var errs []error
		for _, dir := range socketDirs() {
			err := makePrivate(dir)
			if err == nil {
				path = filepath.Join(dir, server+".console")
				break
			}
			errs = append(errs, err)
		}
		if path == "" {
			return "", fmt.Errorf("%w; set XDG_RUNTIME_DIR, or the option operator to a path", errors.Join(errs...))
		}
	}
	const maxPath = 103 // bytes, on every system
	if len(path) > maxPath {
		return "", fmt.Errorf("%s has %d bytes and may have %d; set the option operator to a shorter path", path, len(path), maxPath)
	}
	return path, nil
}

// socketDirs returns the directories for sockets, of which the first usable one is used. The
// second is for plugins, whose environment lacks XDG_RUNTIME_DIR.
func socketDirs() []string {
	var dirs []string
	if base := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(base) {
		dirs = append(dirs, filepath.Join(base, "socketserver"))
	}
	return append(dirs, filepath.Join(os.TempDir(), fmt.Sprintf("socketserver-%d", os.Geteuid())))
}

func makePrivate(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return checkPrivate(dir)
}

// Find returns the operator's socket of a running server of this user, by the server's name.
// Sockets of servers that were killed are skipped. A socket that the option operator has put
// elsewhere is not found.
func Find(server string) (path string, err error) {
	var errs []error
	for _, dir := range socketDirs() {
		path := filepath.Join(dir, server+".console")
		if filepath.Dir(path) != dir {
			return "", fmt.Errorf("%q is not the name of a server", server)
		}
		switch _, err := os.Lstat(path); {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			errs = append(errs, err)
			continue
		}
		if err := checkPrivate(dir); err != nil {
			errs = append(errs, err)
			continue
		}
		if !isOpen(path) {
			continue
		}
		return path, nil
	}
	if len(errs) > 0 {
		return "", errors.Join(errs...)
	}
	return "", fmt.Errorf("no server %q of yours has an operator; %s, or give the path in its option operator", server, running())
}

func running() string {
	if names := Names(); len(names) > 0 {
		return "there are " + strings.Join(names, ", ")
	}
	return `start one with handler "chat" and mode = "half-duplex" or "full-duplex"`
}

// Names returns the names of the servers that [Find] finds.
func Names() []string {
	var names []string
	for _, dir := range socketDirs() {
		if checkPrivate(dir) != nil {
			continue
		}
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			name, console := strings.CutSuffix(e.Name(), ".console")
			if console && e.Type() == fs.ModeSocket && isOpen(filepath.Join(dir, e.Name())) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// isOpen reports whether a server listens on a socket. The server does not notice: a socket of
// another type cannot connect, and the error differs if nobody listens.
func isOpen(path string) bool {
	conn, err := net.Dial("unixgram", path)
	if err == nil {
		_ = conn.Close()
	}
	return !errors.Is(err, syscall.ECONNREFUSED)
}
