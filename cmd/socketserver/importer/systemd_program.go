package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// systemdProgram finds out what a service of Accept=yes runs.
func systemdProgram(s *server, service *unit, known map[string]string) {
	start := service.last("Service", "ExecStart")
	if !service.is("Service", "StandardInput", "socket") {
		input := service.last("Service", "StandardInput")
		if input.words == nil {
			input = start
		}
		s.refuseProgram(input, "the program takes the connection as descriptor 3 (LISTEN_FDS), and would get it as 0; if it can serve 0, add StandardInput=socket")
		return
	}
	if output := service.last("Service", "StandardOutput"); output.words != nil && output.value() != "socket" && output.value() != "inherit" {
		s.refuse(output, "what the program prints would be sent to the client")
	}
	if starts := service.all("Service", "ExecStart"); len(starts) > 1 {
		for _, x := range starts {
			s.refuseProgram(x, severalCommands)
		}
		return
	}
	value := start.raw()
	if trimmed := strings.TrimLeft(value, "-@:+!|"); trimmed != value {
		if strings.ContainsAny(value[:len(value)-len(trimmed)], "@:+!|") {
			s.refuse(start, "only the prefix - of a command is understood")
		}
		s.differ(start, "an exit status other than 0 is logged")
		value = trimmed
	}
	words, err := split(value)
	switch {
	case err != nil || len(words) == 0:
		s.refuse(start, "the command line cannot be read")
		return
	case slices.Contains(words, ";"):
		s.refuseProgram(start, severalCommands)
		return
	}
	var command []string
	for i, w := range words {
		if w == `\;` {
			w = ";"
		}
		expanded := []string{s.specified(service, start, w)}
		if i > 0 {
			if expanded, err = expand(expanded[0], known); err != nil {
				s.refuse(start, err.Error())
			}
		}
		command = append(command, expanded...)
	}
	if !filepath.IsAbs(command[0]) {
		s.differ(start, "the program has no absolute path; write one")
	}
	s.run(start, command)
	if limit := service.last("Service", "TimeoutStartSec"); service.is("Service", "Type", "oneshot") && len(limit.words) > 0 {
		s.values["timeouts.request"], _ = asDuration(limit.words)
	}
}

const severalCommands = "several commands are started, one after the other, or none if it is no Type=oneshot; write a script"

// specified returns a word, of a setting, with its specifiers replaced.
func (s *server) specified(u *unit, x setting, word string) string {
	result, err := u.specifiers(word)
	if err != nil {
		s.refuse(x, err.Error())
	}
	if result != word && ofSystem.MatchString(strings.ReplaceAll(word, "%%", "")) {
		s.differ(x, "%t, %S, %C, %L and %E are directories of the system; a unit of a user has others")
	}
	return result
}

// ofSystem are the specifiers that have other values for a user's units.
var ofSystem = regexp.MustCompile(`%[tSCLE]`)

// systemdDirectory sets the directory that a service runs in. One with a - before it need not be there.
func systemdDirectory(s *server, service *unit) {
	x := service.last("Service", "WorkingDirectory")
	if x.words == nil {
		return
	}
	value, optional := strings.CutPrefix(x.value(), "-")
	if value == "~" {
		s.refuse(x, "the home of a user is not looked up; write its path")
		return
	}
	path := s.specified(service, x, value)
	if err := writable(path); err != nil {
		s.refuse(x, err.Error())
		return
	}
	info, err := os.Stat(path)
	there := err == nil && info.IsDir() || errors.Is(err, fs.ErrPermission)
	if optional && !there {
		s.differ(x, "there is no such directory; the program runs in the directory of servers.hcl")
		return
	}
	if !there {
		s.disable(fmt.Sprintf("there is no directory %s; make it, or correct process.directory", path))
	}
	s.values["process.directory"] = cty.StringVal(path)
}

// systemdEnvironment sets the variables that a service gives to its program, and returns them.
func systemdEnvironment(s *server, service *unit) map[string]string {
	known := map[string]string{}
	var words []string
	for _, x := range service.all("Service", "Environment") {
		all, err := split(x.raw())
		if err != nil {
			s.refuse(x, err.Error())
		}
		for _, w := range all {
			w = s.specified(service, x, w)
			if _, err := asEnvironment([]string{w}); err != nil {
				s.refuse(x, err.Error())
				continue
			}
			name, value, _ := strings.Cut(w, "=")
			known[name], words = value, append(words, w)
		}
	}
	s.values["process.environment"], _ = asEnvironment(words)
	return known
}

var (
	aloneVariable = regexp.MustCompile(`^\$(\w+)$`)
	variable      = regexp.MustCompile(`\$(\$|\{[^}]*\})`)
)

// expand replaces the variables of a word that are known. One that is the word, without braces, stands for several words.
func expand(word string, known map[string]string) ([]string, error) {
	if m := aloneVariable.FindStringSubmatch(word); m != nil {
		value, ok := known[m[1]]
		if !ok {
			return []string{word}, fmt.Errorf("the value of %s is not known", word)
		}
		return split(value)
	}
	var missing error
	return []string{variable.ReplaceAllStringFunc(word, func(v string) string {
		if v == "$$" {
			return "$"
		}
		value, ok := known[v[2:len(v)-1]]
		if !ok {
			missing = fmt.Errorf("the value of %s is not known", v)
			return v
		}
		return value
	})}, missing
}
