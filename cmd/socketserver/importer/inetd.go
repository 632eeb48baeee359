package importer

import (
	"cmp"
	"fmt"
	"net"
	"path"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// inetd reads inetd.conf as the inetds of the BSDs and of Linux have it.
type inetd struct {
	path     string
	hosts    string  // default addresses of the lines that follow
	policy   setting // of IPsec, for the lines that follow
	wrappers []wrapperRule
	services []*server
}

func readInetd(files []file) []*server {
	var all []*server
	for _, f := range files {
		r := &inetd{path: f.path, wrappers: wrapperRules()}
		n, rest := 1, f.text
		for rest != "" {
			after := r.next(n, rest)
			n += strings.Count(rest[:len(rest)-len(after)], "\n")
			rest = after
		}
		all = append(all, r.services...)
	}
	return all
}

// next reads the first line of text, which is line n, with those that belong to it. It returns the others.
func (r *inetd) next(n int, text string) string {
	line, rest, _ := strings.Cut(text, "\n")
	if words := strings.Fields(line); len(words) > 1 && words[0][0] != '#' && (words[1] == "on" || words[1] == "off") {
		name := line[:strings.Index(line, words[0])+len(words[0])]
		from := len(name) + strings.Index(line[len(name):], words[1]) + len(words[1])
		d, rest, ok := readDefinition(text[from:])
		if !ok {
			r.services = append(r.services, comment("%s: not carried over, as it is no service of NetBSD's inetd, which stops there: %s", r.at(n), line))
			return rest
		}
		if s := r.add(keyedLine(r.at(n), words[0], strings.TrimSuffix(text, rest), d)); words[1] == "off" {
			s.disable("it is off in inetd.conf")
		}
		after, rest, _ := strings.Cut(rest, "\n")
		if after = strings.TrimSpace(after); after != "" && after[0] != '#' {
			r.services = append(r.services, comment("%s: not carried over, as it stands behind a service; write it on a line of its own: %s", r.at(n), after))
		}
		return rest
	}
	var all strings.Builder
	all.WriteString(line)
	split := false
	for strings.TrimSpace(line) != "" && line[0] != '#' && (strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, "\t")) {
		next, after, _ := strings.Cut(rest, "\n")
		words := strings.Fields(next)
		if len(words) == 0 || words[0][0] == '#' {
			break
		}
		split = split || len(words) >= 6 && sockets[words[1]]
		all.WriteString(" " + next)
		rest = after
	}
	r.read(n, all.String(), split)
	return rest
}

// sockets are the words for types of sockets.
var sockets = map[string]bool{"stream": true, "dgram": true, "seqpacket": true, "rdm": true, "raw": true}

func (r *inetd) at(n int) string { return fmt.Sprintf("%s:%d", r.path, n) }

// read reads a line. split reports whether a part of it, which begins with a blank, looks like a line of its own.
func (r *inetd) read(n int, text string, split bool) {
	text = strings.TrimSpace(text)
	if policy, ok := strings.CutPrefix(text, "#@"); ok {
		r.policy = setting{at: r.at(n), text: text, words: strings.Fields(policy)}
	}
	off, disabled := strings.CutPrefix(text, "#<off>#")
	if disabled {
		text = strings.TrimSpace(off)
	}
	l := line{setting: setting{at: r.at(n), text: text}}
	switch {
	case text == "" || text[0] == '#':
		return
	case !strings.ContainsAny(text, " \t") && strings.HasSuffix(text, ":"):
		r.hosts = strings.TrimSuffix(text, ":")
		return
	}
	words := l.fields(text)
	if len(words) < 6 {
		r.services = append(r.services, comment("%s: not carried over, as it is no line of inetd: %s", r.at(n), text))
		return
	}
	l.service, l.socket, l.protocol, l.wait, l.user, l.program = words[0], words[1], words[2], words[3], words[4], words[5:]
	if split {
		l.refused = append(l.refused, "a line that begins with a blank is the end of the one before it, or one of its own, as for inetutils and busybox")
	}
	if s := r.add(l); disabled {
		s.disable("it is disabled in inetd.conf")
	}
}

// keyedLine makes a line of NetBSD's newer form.
func keyedLine(at, service, text string, d definition) line {
	l := line{setting: setting{at: at, text: strings.Join(strings.Fields(text), " ")}, service: service}
	one := map[string]string{}
	for _, key := range d.keys {
		switch values := d.of[key]; key {
		case "bind", "protocol", "socktype", "wait", "user", "group", "exec", "service_max", "ip_max":
			if one[key] = strings.Join(values, " "); len(values) != 1 {
				l.refused = append(l.refused, key+" has one value")
			}
		case "args":
		case "acceptfilter", "sndbuf", "recvbuf", "accept_max":
			l.lost = append(l.lost, key+" has no counterpart")
		default:
			l.refused = append(l.refused, strings.TrimSpace(key+" ")+" has no counterpart")
		}
	}
	l.protocol, l.socket, l.user = one["protocol"], one["socktype"], one["user"]
	switch {
	case l.socket != "":
	case strings.HasPrefix(l.protocol, "udp"):
		l.socket = "dgram"
	case strings.HasPrefix(l.protocol, "tcp"):
		l.socket = "stream"
	}
	l.program = append([]string{cmp.Or(one["exec"], "internal")}, d.of["args"]...)
	if l.user == "" {
		l.refused = append(l.refused, "it has no user")
	}
	if one["bind"] != "" {
		l.service = one["bind"] + ":" + l.service
	}
	if one["group"] != "" {
		l.user += ":" + one["group"]
	}
	l.wait = map[string]string{"yes": "wait", "no": "nowait"}[one["wait"]]
	if most, perSource := one["service_max"], one["ip_max"]; most != "" || perSource != "" {
		l.wait += "." + most + "." + perSource
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
	for _, why := range l.lost {
		s.lose(l.setting, why)
	}
	for _, how := range l.different {
		s.differ(l.setting, how)
	}
	for _, why := range l.refused {
		s.refuse(l.setting, why)
	}
	if len(r.policy.words) > 0 {
		s.refuse(r.policy, "clients without IPsec reach it there")
	}
	s.heed(r.wrappers, append([]string{service}, l.program...)...)
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
	network = inetdNetworks[network+" "+l.socket]
	if network == "" {
		s.refuseProgram(l.setting, "there are stream sockets of tcp and unix, dgram sockets of udp and unix, and seqpacket sockets of unix")
		return
	}
	if config.IsUnix(network) {
		listenAsUnix(s, l, network, hosts, service)
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
		} else if family != "46" {
			host = s.inFamily(l.setting, host, family == "6")
		}
		s.listen(l.setting, listener{network, net.JoinHostPort(host, number), nil})
	}
}

// inetdNetworks are the networks of a protocol and a type of socket.
var inetdNetworks = map[string]string{
	"tcp stream": "tcp", "udp dgram": "udp",
	"unix stream": "unix", "unix dgram": "unixgram", "unix seqpacket": "unixpacket",
	"local stream": "unix", "local dgram": "unixgram", "local seqpacket": "unixpacket",
}

// listenAsUnix makes the transport of a path, before which FreeBSD has :user:group:mode.
func listenAsUnix(s *server, l line, network, permissions, path string) {
	values := map[string]cty.Value{"mode": cty.StringVal("0755")}
	if parts := strings.Split(permissions, ":"); len(parts) == 4 && parts[0] == "" {
		for i, name := range []string{"", "owner", "group", "mode"} {
			if i > 0 && parts[i] != "" {
				values[name] = cty.StringVal(parts[i])
			}
		}
	} else {
		s.differ(l.setting, "inetd leaves the mode of the socket to its umask; 0755 is the usual result, with which only its owner may connect")
	}
	s.listen(l.setting, listener{network, path, values})
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
	s.run(l.setting, inetdCommand(s, l))
	wait, bounds, _ := strings.Cut(l.wait, "/")
	wait, perMinute, _ := strings.Cut(strings.Replace(wait, ":", ".", 1), ".") // NetBSD has both
	if wait != "nowait" {
		s.refuseProgram(l.setting, wantsSocket)
		return
	}
	numbers := func(list, separator string) []int {
		var all []int
		for word := range strings.SplitSeq(list, separator) {
			n, err := strconv.Atoi(word)
			if word != "" && (err != nil || n < 0) {
				s.refuse(l.setting, fmt.Sprintf("%q is not a number", word))
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
	group := ""
	if i := strings.IndexAny(user, ".:"); i > 0 {
		user, group = user[:i], user[i+1:]
	}
	for path, name := range map[string]string{"process.user": user, "process.group": group} {
		v, err := asText([]string{name})
		if err != nil {
			s.refuse(l.setting, err.Error())
		} else if name != "" {
			s.values[path] = v
		}
	}
}

// perMinute is rate for n starts a minute. 0 is no bound.
func (s *server) perMinute(attribute string, n int) {
	if n > 0 {
		s.rate(attribute, fmt.Sprint(n), "1m")
	}
}
