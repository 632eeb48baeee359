package plugin

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-socketserver/socketserver/framework"
)

// fewestFiles is the number of descriptors that a process of many requests needs: 64 are its own.
const fewestFiles = 128

// checkLimits returns an error for limits that a plugin of the kind cannot have.
func (s *Settings) checkLimits() error {
	is := s.Limits
	switch s.Kind {
	case Wasm:
		const most = 4 << 30
		if is.Memory > most {
			return fmt.Errorf("limits.memory of a WebAssembly module is at most %dGiB", most>>30)
		}
		if is.Memory = 0; is != (framework.Restrictions{}) || s.Sandbox != nil {
			return errors.New("a WebAssembly module has no process of its own, and of what bounds one only limits.memory; leave out the others")
		}
	case Go, Python, Worker:
		if is.Files != 0 && is.Files < fewestFiles {
			return fmt.Errorf("limits.files is %d, and a process of the kind %q needs %d; raise it", is.Files, s.Kind, fewestFiles)
		}
	}
	if s.Kind == Python && is.AsUser && s.Sum != "" {
		return errors.New("a Python script whose sum is checked cannot run as another user, who may not read what was checked; leave out user, or its sum")
	}
	return nil
}

// withPaths returns a sandbox that has those paths, too; nil for nil.
func withPaths(s *framework.Sandbox, read, write []string) *framework.Sandbox {
	if s == nil {
		return nil
	}
	more := *s
	more.Read, more.Write = slices.Concat(s.Read, read), slices.Concat(s.Write, write)
	return &more
}
