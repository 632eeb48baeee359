package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// systemdProgram finds out what a service of Accept=yes runs.
func systemdProgram(s *server, service *unit) {
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
	value := start.raw()
	if trimmed := strings.TrimLeft(value, "-@:+!|"); trimmed != value {
		if strings.ContainsAny(value[:len(value)-len(trimmed)], "@:+!|") {
			s.refuse(start, "only the prefix - of a command is understood")
		}
		s.differ(start, "an exit status other than 0 is logged")
		value = trimmed
	}
	words, err := split(value)
	if err != nil || len(words) == 0 {
		s.refuse(start, "the command line cannot be read")
		return
	}
	known := environmentOf(service)
	for i, w := range words {
		expanded, err := service.specifiers(w)
		if err == nil {
			expanded, err = expand(expanded, known)
		}
		if err != nil {
			s.refuse(start, err.Error())
			continue
		}
		words[i] = expanded
	}
	if !filepath.IsAbs(words[0]) {
		s.differ(start, "the program has no absolute path; write one")
	}
	s.command = words
	if limit := service.last("Service", "TimeoutStartSec"); service.is("Service", "Type", "oneshot") && len(limit.words) > 0 {
		s.values["timeouts.request"], _ = asDuration(limit.words)
	}
}

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
	path, err := service.specifiers(value)
	if err != nil {
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

func environmentOf(service *unit) map[string]string {
	known := map[string]string{}
	for _, x := range service.sections["Service"] {
		if x.name != "Environment" {
			continue
		}
		words, _ := split(x.raw())
		for _, w := range words {
			name, value, _ := strings.Cut(w, "=")
			known[name] = value
		}
	}
	return known
}

var variable = regexp.MustCompile(`\$(\$|\{\w+\}|\w+)`)

// expand replaces the variables that are known.
func expand(word string, known map[string]string) (string, error) {
	var missing error
	result := variable.ReplaceAllStringFunc(word, func(v string) string {
		name := strings.Trim(v[1:], "{}")
		value, ok := known[name]
		switch {
		case name == "$":
			return "$"
		case !ok:
			missing = fmt.Errorf("the value of %s is not known", v)
			return v
		}
		return value
	})
	return result, missing
}
