//go:build !linux

package usage

import (
	"runtime"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

func of(int) (Usage, error) { return Unknown, nil }

func cpuOf(int) (Usage, error) { return Unknown, nil }

// Now returns the machine's CPU time up to now.
func Now() Machine { return Machine{Total: -1, Idle: -1, Stolen: -1, Network: -1} }

// Environment describes the machine: its cores.
func Environment() result.Environment {
	return result.Environment{Cores: runtime.NumCPU()}
}
