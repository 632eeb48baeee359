package importer

import (
	"slices"
	"strings"
)

// An entry is a service or the defaults.
type entry struct {
	name, source string
	order        []string
	settings     map[string]setting
	problems     []note
	off          []string // why xinetd does not start it
	early        bool     // it stands before the only_from of the defaults, which it does not add to
}

func newEntry(name, source string) *entry {
	return &entry{name: name, source: source, settings: map[string]setting{}}
}

// begin reports whether the line of a name ends with the {, which xinetd does not accept.
func (e *entry) begin(line string) bool {
	if !strings.HasSuffix(line, "{") {
		return false
	}
	e.off = append(e.off, "{ stands on the line of its name, and xinetd passes over the entry")
	return true
}

// set returns the words of a list.
func set(words string) map[string]bool {
	all := map[string]bool{}
	for _, w := range strings.Fields(words) {
		all[w] = true
	}
	return all
}

var (
	// modifiable are the attributes that have lists, to which += adds.
	modifiable = set("only_from no_access log_type log_on_success log_on_failure passenv env disabled enabled")
	// inDefaults are those that the defaults may have.
	inDefaults = set("log_type log_on_success log_on_failure disabled no_access only_from instances passenv banner bind per_source groups " +
		"banner_success banner_fail cps enabled max_load v6only umask mdns")
	// needed are those for which xinetd does not start a service if there is a comment behind their value.
	needed = set("socket_type protocol wait user server port redirect type flags env access_times log_type log_on_success log_on_failure")
)

// add assigns, as xinetd does: where an attribute is given twice the first counts.
func (e *entry) add(operator string, s setting) {
	old, again := e.settings[s.name]
	if s.name != "server_args" {
		if i := slices.IndexFunc(s.words, func(w string) bool { return w[0] == '#' }); i >= 0 {
			s.words = s.words[:i]
			e.problem("Different: xinetd takes a comment behind a value for a part of it", s)
			if needed[s.name] {
				e.refuse("with a comment behind this value xinetd does not start the service", s)
			}
		}
	}
	switch {
	case !modifiable[s.name] && (again || operator != "="), s.name == "server" && len(s.words) > 1:
		e.problem("Not carried over: xinetd ignores it, too", s)
		return
	case operator == "-=" && s.name == "env":
		e.refuse("with -= for it xinetd does not start the service", s)
		return
	case operator == "+=":
		s.words, s.adds, s.removed = append(slices.Clone(old.words), s.words...), !again || old.adds, old.removed
	case operator == "-=":
		s.removed, s.adds = append(slices.Clone(old.removed), s.words...), !again || old.adds
		s.words = without(old.words, s.removed)
	}
	if !again {
		e.order = append(e.order, s.name)
	}
	e.settings[s.name] = s
}

// refuse is problem for a service that xinetd does not start.
func (e *entry) refuse(why string, s setting) {
	e.problem("Not carried over: "+why, s)
	e.off = append(e.off, why)
}

// without returns words but for those that are removed.
func without(words, removed []string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool { return slices.Contains(removed, w) })
}

func (e *entry) problem(fate string, s setting) {
	e.problems = append(e.problems, note{fate, []setting{s}})
}

// with returns e with the defaults that it does not set.
func (e *entry) with(defaults *entry) *entry {
	all := newEntry(e.name, e.source)
	all.problems, all.off = e.problems, e.off
	for _, name := range defaults.order {
		if name == "enabled" || name == "disabled" || name == "only_from" && e.early && e.settings[name].adds {
			continue
		}
		all.order = append(all.order, name)
		all.settings[name] = defaults.settings[name]
	}
	for _, name := range e.order {
		own := e.settings[name]
		if own.adds {
			own.words = append(without(all.settings[name].words, own.removed), own.words...)
		}
		if _, there := all.settings[name]; !there {
			all.order = append(all.order, name)
		}
		all.settings[name] = own
	}
	return all
}

func (e *entry) has(name, word string) bool {
	return slices.ContainsFunc(e.settings[name].words, func(w string) bool { return strings.EqualFold(w, word) })
}

func (e *entry) value(name string) string { return e.settings[name].value() }
