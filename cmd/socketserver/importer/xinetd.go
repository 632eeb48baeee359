package importer

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// xinetd reads the files of xinetd. Its defaults apply to all services, wherever they stand.
type xinetd struct {
	defaults *entry
	services []*entry
	comments []*server
	included map[string]bool
	unread   string // a file that is included and could not be read
}

// An entry is a service or the defaults.
type entry struct {
	name, source string
	order        []string
	settings     map[string]setting
	problems     []note
}

func readXinetd(files []file) []*server {
	x := &xinetd{defaults: newEntry("", ""), included: map[string]bool{}}
	for _, f := range files {
		x.included[f.path] = true
	}
	for _, f := range files {
		x.parse(f)
	}
	servers := x.comments
	for _, e := range x.services {
		servers = append(servers, x.convert(e))
	}
	return servers
}

func newEntry(name, source string) *entry {
	return &entry{name: name, source: source, settings: map[string]setting{}}
}

var assignment = regexp.MustCompile(`^([A-Za-z0-9_]+)\s*(\+=|-=|=)\s*(.*)$`)

func (x *xinetd) parse(f file) {
	var open *entry
	for i, line := range strings.Split(f.text, "\n") {
		line = strings.TrimSpace(line)
		at := fmt.Sprintf("%s:%d", f.path, i+1)
		words := strings.Fields(strings.TrimSuffix(line, "{"))
		m := assignment.FindStringSubmatch(line)
		switch {
		case line == "" || line[0] == '#' || line == "{":
		case open == nil && words[0] == "service" && len(words) == 2:
			open = newEntry(words[1], fmt.Sprintf("xinetd service %s, %s", words[1], at))
			x.services = append(x.services, open)
		case open == nil && words[0] == "defaults":
			open = x.defaults
		case open == nil && len(words) == 2 && (words[0] == "include" || words[0] == "includedir"):
			x.include(at, words[0], words[1])
		case open != nil && line == "}":
			open = nil
		case open != nil && m != nil:
			open.add(m[2], setting{at: at, name: strings.ToLower(m[1]), text: line, words: strings.Fields(m[3])})
		default:
			x.comments = append(x.comments, comment("%s: not carried over, as xinetd does not understand it either: %s", at, line))
		}
	}
}

// include reads the files that an include line names. In a directory xinetd passes over names
// with a dot and those that end with ~.
func (x *xinetd) include(at, what, path string) {
	paths := []string{path}
	if what == "includedir" {
		entries, err := os.ReadDir(path)
		if err != nil {
			x.unread = path
			x.comments = append(x.comments, comment("%s: %s %s: the directory cannot be read here; name the copy of it, too", at, what, path))
			return
		}
		paths = nil
		for _, e := range entries {
			if !e.IsDir() && !strings.ContainsRune(e.Name(), '.') && !strings.HasSuffix(e.Name(), "~") {
				paths = append(paths, filepath.Join(path, e.Name()))
			}
		}
	}
	for _, p := range paths {
		if x.included[p] {
			continue
		}
		x.included[p] = true
		f, err := readFile(p)
		if err != nil {
			x.unread = p
			x.comments = append(x.comments, comment("%s: %s %s: the file cannot be read here; name the copy of it, too", at, what, path))
			continue
		}
		x.parse(f)
	}
}

// several are the attributes that have lists, to which += adds.
var several = map[string]bool{
	"only_from": true, "no_access": true, "log_on_success": true, "log_on_failure": true, "passenv": true, "env": true,
	"access_times": true, "flags": true, "type": true, "disabled": true, "enabled": true,
}

// add assigns, as xinetd does: where an attribute is given twice the first counts.
func (e *entry) add(operator string, s setting) {
	old, again := e.settings[s.name]
	if s.name != "server_args" {
		if i := slices.IndexFunc(s.words, func(w string) bool { return w[0] == '#' }); i >= 0 {
			s.words = s.words[:i]
			e.problem("Different: xinetd takes a comment behind a value for a part of it and ignores the attribute", s)
		}
	}
	switch {
	case operator == "=" && again && !several[s.name], s.name == "server" && len(s.words) > 1:
		e.problem("Not carried over: xinetd ignores it, too", s)
		return
	case operator == "+=":
		s.words, s.adds, s.removed = append(slices.Clone(old.words), s.words...), !again || old.adds, old.removed
	case operator == "-=":
		if s.name == "env" || s.name == "passenv" {
			e.problem("Different: programs get an environment of allowed names", s)
		}
		s.removed, s.adds = append(slices.Clone(old.removed), s.words...), !again || old.adds
		s.words = without(old.words, s.removed)
	}
	if !again {
		e.order = append(e.order, s.name)
	}
	e.settings[s.name] = s
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
	all.problems = e.problems
	for _, name := range defaults.order {
		if name != "enabled" && name != "disabled" {
			all.add("=", defaults.settings[name])
		}
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

func (x *xinetd) convert(e *entry) *server {
	e = e.with(x.defaults)
	id := e.name
	if v := e.value("id"); v != "" {
		id = v
	}
	s := newServer(id, e.source)
	for _, p := range e.problems {
		s.note(p.fate, p.settings[0])
	}
	s.values["timeouts.idle"] = cty.StringVal("0")
	s.bound(0)
	s.perSource(setting{}, 0)
	listed := func(list string) bool {
		return x.defaults.has(list, e.name) || x.defaults.has(list, id)
	}
	_, only := x.defaults.settings["enabled"]
	switch {
	case only && !listed("enabled"):
		s.disable("the defaults of xinetd do not list it as enabled")
	case listed("disabled"), !only && strings.EqualFold(e.value("disable"), "yes"):
		s.disable("it is disabled in xinetd")
	}
	if x.unread != "" && len(x.defaults.order) == 0 {
		s.disable(x.unread + " could not be read, and may have defaults that restrict clients")
	}
	x.listen(s, e)
	x.program(s, e)
	for _, name := range e.order {
		s.apply(xinetdRules, e.settings[name])
	}
	s.finish()
	return s
}

// listen makes the transport of a service.
func (x *xinetd) listen(s *server, e *entry) {
	network := map[string]string{"stream": "tcp", "dgram": "udp"}[e.value("socket_type")]
	if network == "" {
		s.refuse(e.settings["socket_type"], "there are sockets of the types stream and dgram")
		return
	}
	service := e.value("port")
	if service == "" {
		service = e.name
	}
	number, err := port(network, service)
	if err != nil {
		s.disable(err.Error())
		number = service
	}
	l := listener{network: network, values: map[string]cty.Value{}}
	host := e.value("bind") + e.value("interface")
	v4, v6 := e.has("flags", "IPv4"), e.has("flags", "IPv6")
	switch {
	case host != "" && v6 && !v4 && !strings.Contains(host, ":"):
		s.differ(e.settings["flags"], "the address that it is bound to is of IPv4")
	case host != "":
	case v4 && !v6:
		host = "0.0.0.0"
	case v6 && !v4 && strings.EqualFold(e.value("v6only"), "yes"):
		host = "::"
	}
	l.address = net.JoinHostPort(host, number)
	if e.has("flags", "NODELAY") {
		l.values["no_delay"] = cty.True
	}
	s.listen(e.settings["bind"], l)
}

// program finds out what the service does.
func (x *xinetd) program(s *server, e *entry) {
	switch kind := e.settings["type"]; {
	case e.has("type", "INTERNAL"):
		builtin(s, kind, e.name)
		return
	case e.has("type", "RPC"), e.has("type", "TCPMUX"), e.has("type", "TCPMUXPLUS"):
		s.refuseProgram(kind, "there is no RPC and no TCPMUX")
		return
	}
	if redirect, there := e.settings["redirect"]; there {
		s.refuseProgram(redirect, "no handler relays to another server")
		return
	}
	server := e.settings["server"]
	arguments := e.settings["server_args"]
	if len(server.words) == 0 {
		s.disable("it names no server program")
		return
	}
	if e.has("flags", "NAMEINARGS") && len(arguments.words) > 0 {
		arguments.words = arguments.words[1:]
	}
	s.run(server, slices.Clone(server.words))
	if s.command != nil {
		s.run(arguments, append(s.command, arguments.words...))
	}
	if wait := e.settings["wait"]; strings.EqualFold(wait.value(), "yes") {
		s.lose(server, wantsSocket)
		if len(arguments.words) > 0 {
			s.lose(arguments, wantsSocket)
		}
		s.refuseProgram(wait, wantsSocket)
	}
}

const wantsSocket = "the program wants the listening socket, and would get one connection"
