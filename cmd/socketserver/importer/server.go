package importer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

// A setting is one setting of a source.
type setting struct {
	at    string // file:line
	name  string
	text  string   // as the source has it
	words []string // its value
	adds  bool     // to that of the defaults

	removed []string // of the defaults' words
}

func (x setting) value() string { return strings.Join(x.words, " ") }

// A listener is a transport block. Values are its attributes beside the address.
type listener struct {
	network, address string
	values           map[string]cty.Value
}

// A server is a server block of the result, or comments alone where it has no name.
type server struct {
	name      string
	source    string // what it was and where
	listeners []listener
	handler   string   // a compiled-in handler
	command   []string // a program, where there is no handler
	values    map[string]cty.Value
	notes     []note
	off       []string // why it is printed as a comment; empty: it is not
}

// A note is a comment about settings with the same fate.
type note struct {
	fate     string
	settings []setting
}

func newServer(name, source string) *server {
	return &server{name: name, source: source, values: map[string]cty.Value{}}
}

// comment returns a comment that belongs to no server.
func comment(format string, args ...any) *server {
	return newServer("", fmt.Sprintf(format, args...))
}

func (s *server) note(fate string, x setting) {
	for i, n := range s.notes {
		if n.fate == fate {
			if !slices.ContainsFunc(n.settings, func(old setting) bool { return old.at == x.at }) {
				s.notes[i].settings = append(n.settings, x)
			}
			return
		}
	}
	s.notes = append(s.notes, note{fate, []setting{x}})
}

// lose notes a setting that has no counterpart.
func (s *server) lose(x setting, why string) { s.note("Not carried over: "+why, x) }

// differ notes a setting that means something else here.
func (s *server) differ(x setting, how string) { s.note("Different: "+how, x) }

// disable makes the server a comment.
func (s *server) disable(why string) {
	if !slices.Contains(s.off, why) {
		s.off = append(s.off, why)
	}
}

// refuse notes a setting without which the server must not run.
func (s *server) refuse(x setting, why string) {
	s.lose(x, why)
	s.disable(why)
}

// refuseProgram is refuse for a program that cannot run as it is here: the result does not even
// show how to start it.
func (s *server) refuseProgram(x setting, why string) {
	s.refuse(x, why)
	s.command = nil
}

// writable returns an error for text that servers.hcl cannot have: it is UTF-8, and in the composed form of Unicode.
func writable(all ...string) error {
	for _, text := range all {
		if !utf8.ValidString(text) {
			return fmt.Errorf("servers.hcl is UTF-8, and %q is not; give it another name", text)
		}
		if composed := cty.StringVal(text).AsString(); composed != text {
			return fmt.Errorf("servers.hcl has the composed form of letters, and %+q has another one; give it another name", text)
		}
		if strings.ContainsRune(text, 0) {
			return fmt.Errorf("%q has a NUL byte", text)
		}
	}
	return nil
}

// run sets the command, of a setting.
func (s *server) run(x setting, command []string) {
	if err := writable(command...); err != nil {
		s.refuseProgram(x, err.Error())
		return
	}
	s.command = command
}

// listen adds a listener, of a setting.
func (s *server) listen(x setting, l listener) {
	if err := writable(l.address); err != nil {
		s.refuse(x, err.Error())
		return
	}
	if l.network == "unixpacket" {
		s.refuse(x, `"unixpacket" cannot serve a program on standard input, as one that reads less than a message loses the rest`)
	}
	s.listeners = append(s.listeners, l)
}

// bound sets how many requests run at once; the sources close what is beyond. 0 is no bound.
func (s *server) bound(n int) {
	s.values["limits.connections"] = cty.NumberIntVal(int64(n))
	if n > 0 {
		s.values["limits.when_full"] = cty.StringVal("refuse")
		s.values["concurrency.max_children"] = cty.NumberIntVal(int64(n))
	}
}

// perSource sets how many requests of one client run at once.
func (s *server) perSource(x setting, n int) {
	s.values["limits.per_source"] = cty.NumberIntVal(int64(n))
	if all, ok := s.values["limits.connections"]; ok && n > 0 {
		if most, _ := all.AsBigFloat().Int64(); most > 1 && int64(n) > most/2 {
			s.differ(x, "one client has at most half of limits.connections")
		}
	}
}

// rate is a limit of starts.
func (s *server) rate(attribute, n, per string) {
	s.values["limits."+attribute] = cty.StringVal(n + "/" + per)
}

// access adds to a list of addresses. What other settings have put there stays.
func (s *server) access(list string, prefixes []string) {
	all := slices.Clone(prefixes)
	if old, ok := s.values[list]; ok {
		all = nil
		for _, p := range old.AsValueSlice() {
			all = append(all, p.AsString())
		}
		for _, p := range prefixes {
			if !has(old, p) {
				all = append(all, p)
			}
		}
	}
	s.values[list] = texts(all)
}

func has(list cty.Value, prefix string) bool {
	return slices.ContainsFunc(list.AsValueSlice(), func(p cty.Value) bool { return p.AsString() == prefix })
}

// finish drops what means nothing here.
func (s *server) finish() {
	needed := slices.DeleteFunc(slices.Clone(everyone), func(p string) bool {
		return p == everyone[1] && !slices.ContainsFunc(s.listeners, func(l listener) bool { return !isIPv4(l.address) })
	})
	if v, ok := s.values["access.allow"]; ok && !slices.ContainsFunc(needed, func(p string) bool { return !has(v, p) }) {
		delete(s.values, "access.allow")
	}
	if s.handler != "" { // it runs in the daemon, as it ran in the super server
		maps.DeleteFunc(s.values, func(path string, _ cty.Value) bool { return strings.HasPrefix(path, "process.") })
	}
}
