package chat

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

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework"
)

// open opens the operator's socket, to which consoles connect. It is a server of its own: what
// a console sends is what the operator says, line by line, and what it gets is to be read
// by a person.
func (l *line) open(server string, log hclog.Logger) error {
	l.name = server
	path, err := operatorPath(string(l.options.Operator), server)
	if err != nil {
		return fmt.Errorf("operator's socket: %w", err)
	}
	socket := framework.NewUnixStreamServer(path, &framework.HandlerClass{
		New: func() framework.Handler { return &consoleHandler{line: l} },
	})
	socket.Strategy = &framework.Threading{}
	socket.Log = log
	socket.VerifyRequest = func(r *framework.Request) bool { return sameUser(r.Conn()) }
	if err := socket.Listen(); err != nil {
		return fmt.Errorf("operator's socket: %w", err)
	}
	l.socket = &socket.BaseServer
	log.Info("open for its operator", "socket", path)
	go func() { _ = socket.ServeForever() }()
	return nil
}

func (l *line) close() error {
	if l.socket == nil {
		return nil
	}
	return l.socket.Close()
}

// operatorPath is where the operator's socket of a server is made: where the option says,
// or in a directory that nobody else can change.
func operatorPath(option, server string) (string, error) {
	path := option
	if path == "" {
		var errs []error
		for _, dir := range operatorDirs() {
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
	const longest = 103 // bytes, of all systems
	if len(path) > longest {
		return "", fmt.Errorf("%s has %d bytes and may have %d; set the option operator to a shorter path", path, len(path), longest)
	}
	return path, nil
}

// operatorDirs are where the sockets may be. The first one that can be used is; a plugin,
// whose environment has no XDG_RUNTIME_DIR, has the second.
func operatorDirs() []string {
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

// FindOperator returns the operator's socket of a running server, by the server's name. Those that
// servers left which were killed are passed over. It does not find one that the option operator
// has put elsewhere.
func FindOperator(server string) (path string, err error) {
	var errs []error
	for _, dir := range operatorDirs() {
		path := filepath.Join(dir, server+".console")
		if filepath.Dir(path) != dir {
			return "", fmt.Errorf("%q is no name of a server", server)
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
	return "", fmt.Errorf("no server %q of yours has an operator; %s, or give the path that its option operator says", server, operators())
}

func operators() string {
	if names := Operators(); len(names) > 0 {
		return "there are " + strings.Join(names, ", ")
	}
	return `start one with handler "chat" and mode = "half-duplex" or "full-duplex"`
}

// Operators lists the servers of this user that [FindOperator] finds, by name.
func Operators() []string {
	var names []string
	for _, dir := range operatorDirs() {
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

// isOpen says whether somebody listens on a socket, who does not notice: one of another kind can
// not connect to it, but is told that it is there.
func isOpen(path string) bool {
	conn, err := net.Dial("unixgram", path)
	if err == nil {
		_ = conn.Close()
	}
	return !errors.Is(err, syscall.ECONNREFUSED)
}
