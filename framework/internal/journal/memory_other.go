//go:build !linux

package journal

import (
	"errors"
	"os"
)

// New fails: there are no workers here.
func New() (*Reader, *os.File, error) { return nil, nil, errors.ErrUnsupported }

// Open fails.
func Open(*os.File) (*Writer, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Reader) Close() error { return nil }
