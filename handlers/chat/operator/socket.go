package operator

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
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
	paths, err := sockets()
	if path, found := paths[server]; found {
		return path, nil
	}
	if err != nil {
		return "", err
	}
	running := `start one with handler "chat" and mode = "half-duplex" or "full-duplex"`
	if len(paths) > 0 {
		running = "there are " + strings.Join(slices.Sorted(maps.Keys(paths)), ", ")
	}
	return "", fmt.Errorf("no server %q of yours has an operator; %s, or give the path in its option operator", server, running)
}

// Names returns the names of the servers that [Find] finds.
func Names() []string {
	paths, _ := sockets()
	return slices.Sorted(maps.Keys(paths))
}

// sockets returns the paths of open sockets by the names of their servers. The error is of
// directories that others can change.
func sockets() (map[string]string, error) {
	paths, errs := map[string]string{}, []error(nil)
	for _, dir := range slices.Backward(socketDirs()) { // the first one counts
		if err := checkPrivate(dir); err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
			continue
		}
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			name, console := strings.CutSuffix(e.Name(), ".console")
			if path := filepath.Join(dir, e.Name()); console && e.Type() == fs.ModeSocket && isOpen(path) {
				paths[name] = path
			}
		}
	}
	return paths, errors.Join(errs...)
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
