package process

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
)

// Explain adds the cause or the next step to an error of starting a program.
func Explain(err error) error {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("it is no program for %s/%s; build it for this system: %w", runtime.GOOS, runtime.GOARCH, err)
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("the interpreter or the loader that it names is not installed: %w", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("it may not be executed; check its mode and whether its file system is mounted noexec: %w", err)
	}
	return err
}
