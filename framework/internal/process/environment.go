package process

import (
	"os"
	"slices"
	"strings"
)

// Environment is what a child gets of this process's environment: what the runtime, the
// time zone and the language need. Everything else may hold secrets.
func Environment() []string {
	allowed := []string{"PATH", "HOME", "TZ", "LANG", "TMPDIR", "GORACE", "GOCOVERDIR"}
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !slices.Contains(allowed, name) && !strings.HasPrefix(name, "LC_")
	})
}
