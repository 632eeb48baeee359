package importer

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// systemd reads socket units and the services that they start.
type systemd struct {
	units    []*unit
	used     map[*unit]bool
	comments []*server
}

func readSystemd(files []file) []*server {
	r := &systemd{used: map[*unit]bool{}}
	r.collect(files)
	servers := r.comments
	for _, u := range slices.Clone(r.units) {
		if filepath.Ext(u.name()) == ".socket" {
			servers = append(servers, r.convert(u))
		}
	}
	for _, u := range r.units {
		if filepath.Ext(u.name()) != ".socket" && !r.used[u] {
			servers = append(servers, comment("%s: not carried over, as no socket unit that was read starts it", u.path))
		}
	}
	return servers
}

// collect makes units of files, and adds their drop-ins.
func (r *systemd) collect(files []file) {
	units := map[string]*unit{}
	for _, f := range files {
		if f.of == "" && isUnit(f.path) && units[f.path] == nil {
			units[f.path] = r.unit(f)
		}
	}
	read := map[[2]string]bool{}
	for _, f := range files {
		if u := units[f.of]; u != nil && !read[[2]string{f.of, f.path}] {
			read[[2]string{f.of, f.path}] = true
			u.read(f)
		}
	}
	used := map[string]bool{}
	for _, f := range files {
		if f.of == "" && !isUnit(f.path) && !used[f.path] {
			used[f.path] = true
			r.addFound(f)
		}
	}
}

// addFound adds a drop-in that was found by itself to the units that its directory names. Where it lies in
// the load path of one of them, [dropIns] has decided whether it counts.
func (r *systemd) addFound(f file) {
	directory := f.path
	if !unitDropIns.MatchString(filepath.Base(directory)) {
		directory = filepath.Dir(directory)
	}
	var of []*unit
	for _, u := range r.units {
		if !slices.Contains(dropInNames(u.path), strings.TrimSuffix(filepath.Base(directory), ".d")) {
			continue
		}
		if slices.ContainsFunc(loadPath(filepath.Dir(u.path)), func(d string) bool { return sameFile(d, filepath.Dir(directory)) }) {
			return
		}
		of = append(of, u)
	}
	for _, u := range of {
		u.read(f)
	}
	if of == nil {
		r.comments = append(r.comments, comment("%s: not carried over, as it changes a unit that was not read; name that unit, too", f.path))
	}
}

func (r *systemd) unit(f file) *unit {
	u := &unit{path: f.path, sections: map[string][]setting{}, listed: f.listed}
	u.read(f)
	r.units = append(r.units, u)
	return u
}

// service returns the service of a socket; nil if there is none.
func (r *systemd) service(socket *unit, accept bool) (*unit, string) {
	name := strings.TrimSuffix(socket.name(), ".socket") + ".service"
	if accept {
		name = strings.TrimSuffix(socket.name(), ".socket") + "@.service"
	}
	if other := socket.last("Socket", "Service").value(); other != "" {
		name = other
	}
	find := func() int { return slices.IndexFunc(r.units, func(u *unit) bool { return u.name() == name }) }
	i := find()
	if at := unitFile(socket.path, name); i < 0 && at != "" {
		f, err := readFile(at)
		if err != nil {
			f = file{path: at, unread: err}
		}
		r.collect(append([]file{f}, dropIns(at)...))
		i = find()
	}
	if i < 0 {
		return nil, name
	}
	r.used[r.units[i]] = true
	return r.units[i], name
}

func (r *systemd) convert(socket *unit) *server {
	name := strings.TrimSuffix(socket.name(), ".socket")
	s := newServer(name, "systemd socket "+socket.path)
	s.values["timeouts.idle"] = cty.StringVal("0")
	s.bound(64)
	s.perSource(setting{}, 0)
	accept := socket.yes("Socket", "Accept")
	service, wanted := r.service(socket, accept)
	systemdListen(s, socket)
	known := map[string]string{}
	if service != nil {
		known = systemdEnvironment(s, service)
	}
	if accept {
		refusedBySystemd(s, socket)
	}
	for _, u := range []*unit{socket, service} {
		if u == nil {
			continue
		}
		for _, why := range u.unread {
			s.disable(why)
		}
		if at := unitFile(u.path, u.name()); at != "" && !sameFile(at, u.path) {
			s.disable(fmt.Sprintf("systemd takes %s in place of %s; name that file", at, u.path))
		}
	}
	if socket.listed && !isWanted(socket.path) {
		s.disable("systemd does not start it by itself, as no .wants directory has it")
	}
	switch {
	case !accept:
		why := wantsSocket
		if service.is("Service", "StandardInput", "socket") {
			why += " (StandardInput=socket does not change that: was Accept=yes meant?)"
		}
		s.disable("Accept=no: " + why)
		if start := service.last("Service", "ExecStart"); len(start.words) > 0 {
			s.lose(start, why)
		}
	case service == nil:
		s.disable("its service was not found")
	default:
		systemdProgram(s, service, known)
	}
	if service != nil {
		s.source += " with " + wanted
	} else {
		s.source += " without " + wanted
	}
	for _, section := range []struct {
		of   *unit
		name string
	}{{socket, "Unit"}, {socket, "Socket"}, {socket, "Install"}, {service, "Unit"}, {service, "Service"}, {service, "Install"}} {
		if section.of == nil {
			continue
		}
		for _, x := range section.of.sections[section.name] {
			s.applyUnit(section.of, section.name, x)
		}
	}
	systemdDirectory(s, service)
	systemdAccess(s, socket, service)
	interval := socket.last("Socket", "PollLimitIntervalSec")
	if n := socket.last("Socket", "PollLimitBurst").value(); n != "" {
		s.rate("rate", n, seconds(cmp.Or(interval.value(), "2s"))) // systemd's default
	} else if interval.words != nil {
		s.lose(interval, "there is no PollLimitBurst=")
	}
	s.finish()
	return s
}

// refusedBySystemd disables a server of Accept=yes that systemd does not start.
func refusedBySystemd(s *server, socket *unit) {
	const refused = "systemd refuses it with Accept=yes"
	for _, x := range socket.sections["Socket"] {
		connected := x.name == "ListenStream" || x.name == "ListenSequentialPacket"
		if strings.HasPrefix(x.name, "Listen") && !connected || x.name == "Service" {
			s.refuse(x, refused)
		}
	}
	if most := socket.last("Socket", "MaxConnections"); most.value() == "0" {
		s.refuse(most, refused)
	}
}

func (s *server) applyUnit(u *unit, section string, x setting) {
	switch {
	case strings.HasPrefix(x.name, "X-"):
	case section == "Socket" && x.name == "PrivateNetwork" && isYes(x):
		s.refuse(x, "its socket is in a network of its own")
	case section == "Socket" || section == "Service":
		if systemdRules[x.name].to != "" {
			x.words = strings.Fields(s.specified(u, x, x.value()))
		}
		s.apply(systemdRules, x)
	case strings.HasPrefix(x.name, "Condition"), strings.HasPrefix(x.name, "Assert"):
		s.refuse(x, "it is served under a condition there")
	case section == "Install", x.name != "Description" && x.name != "Documentation":
		s.lose(x, "dependencies of units belong to the daemon's own unit")
	}
}
