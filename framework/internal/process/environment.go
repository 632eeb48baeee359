package process

import (
	"os"
	"slices"
	"strings"
)

// Unique returns env with each name once, as it was last set.
func Unique(env []string) []string {
	last := make(map[string]int, len(env))
	for i, variable := range env {
		name, _, _ := strings.Cut(variable, "=")
		last[name] = i
	}
	unique := make([]string, 0, len(last))
	for i, variable := range env {
		if name, _, _ := strings.Cut(variable, "="); last[name] == i {
			unique = append(unique, variable)
		}
	}
	return unique
}

// Environment is what a child gets of this process's environment: what the runtime, the
// time zone and the language need. Everything else may hold secrets.
func Environment() []string {
	allowed := []string{"PATH", "HOME", "TZ", "LANG", "TMPDIR", "GORACE", "GOCOVERDIR"}
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !slices.Contains(allowed, name) && !strings.HasPrefix(name, "LC_")
	})
}
