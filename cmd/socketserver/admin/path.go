package admin

import (
	"os"
	"path/filepath"
	"strings"
)

// DefaultPath returns where the socket is unless the configuration says otherwise; empty: the
// environment has no directory for it.
func DefaultPath() string {
	if dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":"); filepath.IsAbs(dir) { // systemd's
		return filepath.Join(dir, name)
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "socketserver", name)
	}
	return ""
}

const name = "admin.sock"
