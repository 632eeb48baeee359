package importer

import (
	"cmp"
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
	wrappers []wrapperRule
}

func readXinetd(files []file) []*server {
	x := &xinetd{defaults: newEntry("", ""), included: map[string]bool{}, wrappers: wrapperRules()}
	for _, f := range files {
		x.included[f.path] = true
	}
	for _, f := range files {
		x.parse(f)
	}
	if len(x.defaults.order) == 0 && x.unread == "" && len(x.services) > 0 {
		x.unread = mainFile(files)
		x.comments = append(x.comments, comment("There are no defaults of xinetd, which may restrict clients; name xinetd.conf, too."))
	}
	servers := x.comments
	for _, e := range x.services {
		servers = append(servers, x.convert(e))
	}
	return servers
}

// mainFile returns the file of xinetd that includes the directory of one of the files, if there is one that was not read.
func mainFile(files []file) string {
	for _, f := range files {
		main := filepath.Dir(f.path)
		if filepath.Base(main) != "xinetd.d" {
			continue
		}
		main = strings.TrimSuffix(main, ".d") + ".conf"
		if _, err := os.Stat(main); err == nil && !slices.ContainsFunc(files, func(o file) bool { return sameFile(o.path, main) }) {
			return main
		}
	}
	return ""
}

var assignment = regexp.MustCompile(`^([^\s=]+)\s+(\+=|-=|=)\s*(.*)$`)

const passedOver = "xinetd passes over an entry with a line that it does not understand"

func (x *xinetd) parse(f file) {
	var open *entry
	begun, defaults := false, false // of this file
	bad := ""                       // where a line stands outside of entries that makes xinetd pass over the next one
	for i, line := range strings.Split(f.text, "\n") {
		line = strings.TrimSpace(line)
		at := fmt.Sprintf("%s:%d", f.path, i+1)
		words := strings.Fields(strings.TrimSuffix(line, "{"))
		m := assignment.FindStringSubmatch(line)
		switch {
		case line == "" || line[0] == '#':
		case open == nil && len(words) == 2 && strings.EqualFold(words[0], "service"):
			open = newEntry(words[1], fmt.Sprintf("xinetd service %s, %s", words[1], at))
			_, late := x.defaults.settings["only_from"]
			open.early = !late
			begun = open.begin(line)
			if bad != "" {
				open.off = append(open.off, "xinetd passes over it, as it does not understand "+bad)
			}
			x.services = append(x.services, open)
		case open == nil && len(words) == 1 && strings.EqualFold(words[0], "defaults"):
			if open = x.defaults; defaults {
				open = newEntry("", "")
				x.comments = append(x.comments, comment("%s: not carried over, as xinetd passes over the second defaults of a file", at))
			}
			defaults, begun = true, open.begin(line)
		case open == nil && len(words) == 2 && (strings.EqualFold(words[0], "include") || strings.EqualFold(words[0], "includedir")):
			if bad != "" {
				x.comments = append(x.comments, comment("%s: not carried over, as xinetd passes over it for %s: %s", at, bad, line))
				continue
			}
			x.include(at, strings.ToLower(words[0]), words[1])
		case open != nil && !begun:
			if begun = true; line != "{" {
				open.off = append(open.off, "{ does not stand on the line behind its name, and xinetd passes over the entry")
			}
		case line == "}" && (open != nil || bad != ""):
			open, bad = nil, ""
		case open != nil && m != nil:
			x.assign(open, m[2], setting{at: at, name: attribute(m[1]), text: line, words: strings.Fields(m[3])})
		default:
			if open != nil {
				open.off = append(open.off, passedOver)
			} else {
				bad = at
			}
			x.comments = append(x.comments, comment("%s: not carried over, as xinetd does not understand it either: %s", at, line))
		}
	}
	if open != nil {
		open.off = append(open.off, "the entry has no }, and xinetd passes over it")
	}
}

// attribute returns the name of an attribute, of which one has two.
func attribute(name string) string {
	if name = strings.ToLower(name); name == "interface" {
		return "bind"
	}
	return name
}

// assign adds a setting to an entry. The defaults have some attributes alone, and = adds to their lists.
func (x *xinetd) assign(e *entry, operator string, s setting) {
	switch {
	case e == x.defaults && !inDefaults[s.name]:
		x.comments = append(x.comments, comment("%s: not carried over, as xinetd ignores it in defaults, too: %s", s.at, s.text))
		return
	case e == x.defaults && operator == "=" && modifiable[s.name]:
		operator = "+="
	}
	e.add(operator, s)
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
	for _, why := range e.off {
		s.disable(why)
	}
	s.values["timeouts.idle"] = cty.StringVal("0")
	s.bound(0)
	s.perSource(setting{}, 0)
	_, only := x.defaults.settings["enabled"]
	disable := e.settings["disable"]
	switch {
	case only && !x.defaults.has("enabled", id):
		s.disable("the defaults of xinetd do not list it as enabled")
	case x.defaults.has("disabled", id), !only && disable.words != nil && !strings.EqualFold(disable.value(), "no"):
		s.disable("it is disabled in xinetd")
	}
	if x.unread != "" && len(x.defaults.order) == 0 {
		s.disable(x.unread + " was not read, and may have defaults that restrict clients")
	}
	if !e.has("flags", "NOLIBWRAP") {
		s.heed(x.wrappers, append([]string{e.name, id, e.value("server")}, e.settings["server_args"].words...)...)
	}
	if len(e.settings["wait"].words) == 0 {
		s.disable("it has no wait, and xinetd does not start it")
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
	socket, named := e.settings["socket_type"], e.settings["port"]
	if socket.words == nil {
		socket = e.settings["protocol"]
	}
	network := map[string]string{"stream": "tcp", "tcp": "tcp", "dgram": "udp", "udp": "udp"}[strings.ToLower(socket.value())]
	if network == "" {
		s.refuse(socket, "there are sockets of the types stream and dgram")
		return
	}
	number, err := port(network, cmp.Or(named.value(), e.name))
	if err != nil {
		s.disable(err.Error())
		number = cmp.Or(named.value(), e.name)
	}
	if known, err := port(network, e.name); !e.has("type", "UNLISTED") && err == nil && known != number || err != nil && named.words != nil && !e.has("type", "UNLISTED") {
		s.differ(named, "without type = UNLISTED xinetd starts it only where /etc/services has its name with its port, and that of this machine has not")
	}
	l := listener{network: network, address: net.JoinHostPort(x.host(s, e), number), values: map[string]cty.Value{}}
	if e.has("flags", "NODELAY") && network == "tcp" {
		l.values["no_delay"] = cty.True
	}
	s.listen(e.settings["bind"], l)
}

// host returns where a service listens. One with no flag of a family does so at both, and a client of IPv4 is one
// there, too.
func (x *xinetd) host(s *server, e *entry) string {
	v4, v6 := e.has("flags", "IPv4"), e.has("flags", "IPv6")
	bind := e.settings["bind"]
	host := bind.value()
	if host != "" {
		host = s.inFamily(bind, host, v6)
		if six := strings.Contains(host, ":"); six && v4 || !six && v6 {
			s.refuse(bind, "its flags name the other family of addresses")
		}
		return host
	}
	switch {
	case v4 && !v6:
		return "0.0.0.0"
	case !v4 && strings.EqualFold(e.value("v6only"), "yes"):
		return "::"
	}
	return ""
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
	if len(e.settings["user"].words) == 0 {
		s.disable("it has no user, and xinetd does not start it")
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
	if wait := e.settings["wait"]; !strings.EqualFold(wait.value(), "no") && len(wait.words) > 0 {
		s.lose(server, wantsSocket)
		if len(arguments.words) > 0 {
			s.lose(arguments, wantsSocket)
		}
		s.refuseProgram(wait, wantsSocket)
	}
}

const wantsSocket = "the program wants the listening socket, and would get one connection"
