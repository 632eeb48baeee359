package importer

import (
	"fmt"
	"net"
	"path"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// inetd reads inetd.conf as the inetds of the BSDs and of Linux have it.
type inetd struct {
	path     string
	hosts    string // default addresses of the lines that follow
	services []*server
}

func readInetd(files []file) []*server {
	var all []*server
	for _, f := range files {
		r := &inetd{path: f.path}
		lines := strings.Split(f.text, "\n")
		for i := 0; i < len(lines); i++ {
			n, text := i+1, lines[i]
			for i+1 < len(lines) && continues(text, lines[i+1]) {
				i++
				if next := strings.TrimSpace(lines[i]); !strings.HasPrefix(next, "#") {
					text += " " + next
				}
			}
			r.read(n, text)
		}
		all = append(all, r.services...)
	}
	return all
}

var keyValues = regexp.MustCompile(`^\S+\s+(on|off)\s+\w+\s*=`)

// continues reports whether next belongs to the line before it: it begins with a blank, or a
// line of keys and values has not come to its semicolon.
func continues(line, next string) bool {
	if strings.TrimSpace(line) == "" || line[0] == '#' {
		return false
	}
	word := strings.TrimSpace(next)
	if keyValues.MatchString(line + " " + word) {
		return !strings.HasSuffix(strings.TrimSpace(line), ";")
	}
	return word != "" && word[0] != '#' && (next[0] == ' ' || next[0] == '\t')
}

// A line has the fields of a line of inetd.conf.
type line struct {
	setting
	service, socket, protocol, wait, user string
	program                               []string // with the name that the program gets as its first argument
}

func (r *inetd) at(n int) string { return fmt.Sprintf("%s:%d", r.path, n) }

func (r *inetd) read(n int, text string) {
	text = strings.TrimSpace(text)
	off, disabled := strings.CutPrefix(text, "#<off>#")
	if disabled {
		text = strings.TrimSpace(off)
	}
	words := strings.Fields(text)
	switch {
	case text == "" || text[0] == '#':
	case len(words) == 1 && strings.HasSuffix(text, ":"):
		r.hosts = strings.TrimSuffix(text, ":")
	case keyValues.MatchString(text):
		r.add(keyedLine(r.at(n), text))
	case len(words) >= 6:
		l := line{
			setting: setting{at: r.at(n), text: strings.Join(words, " ")},
			service: words[0], socket: words[1], protocol: words[2], wait: words[3], user: words[4], program: words[5:],
		}
		if s := r.add(l); disabled {
			s.disable("it is disabled in inetd.conf")
		}
	default:
		r.services = append(r.services, comment("%s: not carried over, as it is no line of inetd: %s", r.at(n), text))
	}
}

// keyedLine reads a line of NetBSD's newer form: name on key = value, ... ;
func keyedLine(at, text string) line {
	text = strings.TrimSuffix(text, ";")
	words := strings.Fields(text)
	l := line{setting: setting{at: at, text: text}, service: words[0], socket: "stream", wait: "nowait"}
	var name, group, arguments, most, mostPerSource string
	for pair := range strings.SplitSeq(strings.Join(words[2:], " "), ",") {
		key, value, _ := strings.Cut(pair, "=")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "bind":
			l.service = value + ":" + l.service
		case "protocol":
			if l.protocol = value; strings.HasPrefix(value, "udp") {
				l.socket = "dgram"
			}
		case "socktype":
			l.socket = value
		case "wait":
			l.wait = map[string]string{"yes": "wait", "no": "nowait"}[value]
		case "user":
			l.user = value
		case "group":
			group = ":" + value
		case "exec":
			name = value
		case "args":
			arguments = value
		case "service_max":
			most = value
		case "ip_max":
			mostPerSource = value
		default:
			l.words = append(l.words, strings.TrimSpace(pair))
		}
	}
	l.user += group
	l.program = append([]string{name}, strings.Fields(arguments)...)
	if name == "" {
		l.program = []string{"internal"}
	}
	if most != "" || mostPerSource != "" {
		l.wait += "." + most + "." + mostPerSource
	}
	if words[1] == "off" {
		l.words = append(l.words, "off")
	}
	return l
}

// add makes a server of a line.
func (r *inetd) add(l line) *server {
	hosts, service := r.hosts, l.service
	if i := strings.LastIndexByte(service, ':'); i >= 0 {
		hosts, service = service[:i], service[i+1:]
	}
	name, _, _ := strings.Cut(service, "/") // a version of RPC
	if path.IsAbs(service) {
		name = path.Base(service)
	}
	s := newServer(name, fmt.Sprintf("inetd service %s, %s", l.service, l.at))
	r.services = append(r.services, s)
	s.values["timeouts.idle"] = cty.StringVal("0")
	s.bound(0)
	s.perSource(l.setting, 0)
	for _, extra := range l.words {
		if extra == "off" {
			s.disable("it is off in inetd.conf")
		} else {
			s.lose(l.setting, extra+" has no counterpart")
		}
	}
	listenAsInetd(s, l, hosts, service)
	inetdProgram(s, l, service)
	inetdUser(s, l)
	s.finish()
	return s
}

// listenAsInetd makes the transports of a line, one for each of its hosts.
func listenAsInetd(s *server, l line, hosts, service string) {
	protocol, options, _ := strings.Cut(l.protocol, ",")
	if options != "" {
		s.lose(l.setting, "sizes of socket buffers and other options of a socket ("+options+") are the system's")
	}
	protocol, variant, _ := strings.Cut(protocol, "/")
	network := strings.TrimRight(protocol, "46")
	switch {
	case network == "rpc":
		s.refuseProgram(l.setting, "there is no RPC")
		return
	case variant != "":
		s.lose(l.setting, "there is no "+protocol+"/"+variant)
	}
	if network == "unix" || network == "local" {
		if l.socket == "dgram" {
			network = "unixgram"
		}
		s.listeners = append(s.listeners, listener{network, service, map[string]cty.Value{"mode": cty.StringVal("0755")}})
		s.differ(l.setting, "inetd leaves the mode of the socket to its umask; 0755 is the usual result, with which only its owner may connect")
		return
	}
	if want := map[string]string{"tcp": "stream", "udp": "dgram"}[network]; want == "" || want != l.socket {
		s.refuseProgram(l.setting, "there are stream sockets of tcp and unix, and dgram sockets of udp and unix")
		return
	}
	number, err := port(network, service)
	if err != nil {
		s.disable(err.Error())
		number = service
	}
	family := strings.TrimPrefix(protocol, network)
	for host := range strings.SplitSeq(hosts, ",") {
		host = strings.Trim(host, "[]")
		if host == "" || host == "*" {
			host = map[string]string{"": "0.0.0.0", "4": "0.0.0.0", "6": "::", "46": ""}[family]
		}
		s.listeners = append(s.listeners, listener{network, net.JoinHostPort(host, number), nil})
	}
}

// inetdProgram finds out what the service does, and how many may run.
func inetdProgram(s *server, l line, service string) {
	program := l.program[0]
	if program == "internal" {
		if len(s.listeners) > 0 {
			builtin(s, l.setting, service)
		}
		return
	}
	if len(s.listeners) == 0 {
		return
	}
	s.command = inetdCommand(s, l)
	wait, bounds, _ := strings.Cut(l.wait, "/")
	wait, perMinute, _ := strings.Cut(wait, ".")
	if wait != "nowait" {
		s.refuseProgram(l.setting, wantsSocket)
		return
	}
	numbers := func(list, separator string) []int {
		var all []int
		for word := range strings.SplitSeq(list, separator) {
			n := 0
			if _, err := fmt.Sscan(word, &n); err != nil && word != "" {
				s.lose(l.setting, word+" is not a number")
			}
			all = append(all, n)
		}
		return append(all, 0, 0, 0)
	}
	// After a dot stand starts a minute, after a slash processes at once.
	if at := numbers(bounds, "/"); bounds != "" {
		s.bound(at[0])
		s.perMinute("rate_per_source", at[1])
		s.perSource(l.setting, at[2])
	}
	if starts := numbers(perMinute, "."); perMinute != "" {
		s.perMinute("rate", starts[0])
		s.perMinute("rate_per_source", starts[1])
	}
}

// inetdCommand returns the command line. The first argument of a program is the name that it is
// started with, which many people forget.
func inetdCommand(s *server, l line) []string {
	program, arguments := l.program[0], l.program[1:]
	if path.Base(program) == "tcpd" && len(arguments) > 0 {
		s.refuse(l.setting, "tcpd was the access control: hosts.allow and hosts.deny are not read; write an access block")
		program = arguments[0]
		if !strings.Contains(program, "/") { // tcpd finds it beside itself
			program = path.Join(path.Dir(l.program[0]), program)
		}
	}
	switch {
	case path.IsAbs(program):
	case len(arguments) > 0 && path.IsAbs(arguments[0]):
		program = arguments[0]
		s.differ(l.setting, "the path of the program is the one among the arguments")
	default:
		s.differ(l.setting, "the program has no absolute path; write one")
	}
	if len(arguments) == 0 {
		return []string{program}
	}
	if name := arguments[0]; strings.ContainsAny(name, "/") && path.Base(name) != path.Base(program) || strings.HasPrefix(name, "-") {
		s.differ(l.setting, fmt.Sprintf("inetd gives %q to the program as its name, not as an argument; here it is an argument", name))
		return append([]string{program}, arguments...)
	}
	return append([]string{program}, arguments[1:]...)
}

// inetdUser reads user, user.group, user:group and a login class behind a slash.
func inetdUser(s *server, l line) {
	user, class, _ := strings.Cut(l.user, "/")
	if class != "" {
		s.lose(l.setting, "there are no login classes")
	}
	if i := strings.IndexAny(user, ".:"); i > 0 {
		s.values["process.group"] = cty.StringVal(user[i+1:])
		user = user[:i]
	}
	if user != "" {
		s.values["process.user"] = cty.StringVal(user)
	}
}

// perMinute is rate for n starts a minute. 0 is no bound.
func (s *server) perMinute(attribute string, n int) {
	if n > 0 {
		s.rate(attribute, fmt.Sprint(n), "1m")
	}
}
