// Package importer makes servers.hcl of the files of xinetd, inetd and systemd.
//
// Each format is read into servers. Tables of rules decide what a setting becomes; one without
// a counterpart becomes a comment at its server. A server that cannot be carried over without a
// loss of access control, or that the configuration refuses, is printed as a comment with the
// reason. The configuration itself is asked: what it learns later is enabled here by that alone.
package importer

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/internal/regular"
)

const preface = `# Imported. What could not be carried over is a comment at its server.
# As before: no time limit (idle = "0"), one process for each connection.
# Other than before: programs get an environment of allowed names; descriptor 2 is the log; TCP
# has no_delay and keep_alive; hosts.allow and hosts.deny are not heeded; where there was no bound
# 40 processes run at once (max_children) and other clients wait; a rate of starts that super servers
# have by themselves (50 a second in xinetd, 256 a minute in inetd, 200 in 2 s in systemd) is none here.
`

// Formats are the formats that can be imported.
func Formats() []string { return names(readers) }

// readers read all files of a format.
var readers = map[string]func([]file) []*server{"xinetd": readXinetd, "inetd": readInetd, "systemd": readSystemd}

// A file is a file of a source.
type file struct {
	path, text string
	unread     error  // of one in a directory, instead of its text
	of         string // the unit that it is a drop-in of; empty: it was found by itself
	listed     bool   // in a directory that was named
}

// Import returns servers.hcl for files, and for the files in directories. format is one of
// [Formats], or empty: then each file's content decides. check returns what is wrong with a
// configuration, of which the last server is the one in question. What is too long for one
// configuration is returned, and says so.
func Import(format string, paths []string, check func(src string) error) (string, error) {
	files := map[string][]file{}
	var servers []*server
	for _, path := range paths {
		found, err := readPath(path)
		if err != nil {
			return "", err
		}
		for _, f := range found {
			if f.unread != nil && !isOfUnit(f) {
				servers = append(servers, comment("Not carried over: %v", f.unread))
				continue
			}
			kind := cmp.Or(format, detect(f))
			files[kind] = append(files[kind], f)
		}
	}
	for _, kind := range names(files) {
		servers = append(servers, readers[kind](files[kind])...)
	}
	servers = merge(servers)
	nameApart(servers)
	if !slices.ContainsFunc(servers, func(s *server) bool { return s.name != "" }) {
		servers = append(servers, comment("There is no service to import."))
	}
	return write(servers, check), nil
}

// maxFile is the size of a file, in bytes, that is read.
const maxFile = 1 << 20

func readFile(path string) (file, error) {
	src, err := regular.Read(path, maxFile+1)
	if err != nil {
		return file{}, config.PathError(path, err)
	}
	if len(src) > maxFile {
		return file{}, fmt.Errorf("%s: it is larger than 1 MiB", path)
	}
	return file{path: path, text: strings.ReplaceAll(string(src), "\r\n", "\n")}, nil
}

// leftover are files of editors and package managers, which the super servers ignore, too.
var leftover = regexp.MustCompile(`^\.|~$|\.(bak|orig|rpmsave|rpmnew|rpmorig|dpkg-\w+|swp)$`)

// readPath reads a file, or the files of a directory, as far as they can be read, with the drop-ins of systemd's units.
func readPath(path string) ([]file, error) {
	path = filepath.Clean(path) // so that a file is one unit, however it was named
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, config.PathError(path, err)
	case !info.IsDir():
		f, err := readFile(path)
		return append([]file{f}, dropIns(path)...), err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, config.PathError(path, err)
	}
	var all []file
	inDropIns := unitDropIns.MatchString(filepath.Base(path))
	for _, e := range entries {
		at := filepath.Join(path, e.Name())
		info, err := os.Stat(at) // as a link to a directory is one, too
		directory := err == nil && info.IsDir()
		if leftover.MatchString(e.Name()) || inDropIns && !isDropIn(e.Name()) || directory && (inDropIns || !unitDropIns.MatchString(e.Name())) {
			continue
		}
		found, err := readPath(at)
		if err != nil { // as of a unit that is masked, or a link that leads nowhere
			found = []file{{path: at, unread: err}}
		}
		for _, f := range found {
			f.listed = true
			all = append(all, f)
		}
	}
	return all, nil
}

// unitDropIns are the directories in which drop-ins of units lie.
var unitDropIns = regexp.MustCompile(`(^|\.)(socket|service)\.d$`)

var xinetdEntry = regexp.MustCompile(`(?mi)^\s*(service\s+\S+|defaults)\s*\{?\s*$`)

// isOfUnit reports whether a file is a drop-in.
func isOfUnit(f file) bool {
	return f.of != "" || unitDropIns.MatchString(filepath.Base(f.path)) || unitDropIns.MatchString(filepath.Base(filepath.Dir(f.path)))
}

// detect finds out the format of a file.
func detect(f file) string {
	switch ext := filepath.Ext(f.path); {
	case ext == ".socket", ext == ".service", isOfUnit(f), unitSection.MatchString(f.text):
		return "systemd"
	case xinetdEntry.MatchString(f.text):
		return "xinetd"
	}
	return "inetd"
}

// merge makes one server of those that differ in their addresses alone, such as tcp and tcp6, or
// tcp and udp.
func merge(servers []*server) []*server {
	var all []*server
	named := map[string][]*server{}
	for _, s := range servers {
		same := named[s.name]
		i := slices.IndexFunc(same, func(o *server) bool { return s.name != "" && s.mayJoin(o) })
		if i < 0 {
			all, named[s.name] = append(all, s), append(same, s)
			continue
		}
		same[i].join(s)
	}
	for _, s := range all {
		s.listeners = bothFamilies(s.listeners)
	}
	return all
}

func (s *server) mayJoin(o *server) bool {
	return s.name == o.name && s.handler == o.handler && slices.Equal(s.command, o.command) && slices.Equal(s.off, o.off) &&
		reflect.DeepEqual(s.values, o.values)
}

// join adds the listeners of o, without those that s has, as of a line that stands twice.
func (s *server) join(o *server) {
	for _, l := range o.listeners {
		if !slices.ContainsFunc(s.listeners, func(own listener) bool { return reflect.DeepEqual(own, l) }) {
			s.listeners = append(s.listeners, l)
		}
	}
	s.source += ", and " + o.source
	for _, n := range o.notes {
		for _, x := range n.settings {
			s.note(n.fate, x)
		}
	}
}

var notInName = regexp.MustCompile(`[^\pL\pN ._-]+`)

// nameApart gives each server a name that is valid and that no other one has.
func nameApart(servers []*server) {
	taken := map[string]bool{}
	for _, s := range servers {
		if s.name == "" {
			continue
		}
		name := cty.StringVal(strings.Trim(notInName.ReplaceAllString(s.name, "-"), "-._ ")).AsString() // which has one form of each letter
		if r := []rune(name); len(r) > 56 {
			name = string(r[:56])
		}
		s.name = cmp.Or(name, "service")
		for i := 2; taken[s.name]; i++ {
			s.name = cmp.Or(name, "service") + "-" + strconv.Itoa(i)
		}
		taken[s.name] = true
	}
}

// needless are the parts of an error that name a block which the reader sees anyway, or a line of what was checked,
// which is not the result.
var needless = regexp.MustCompile(`^server "[^"]*": |, in servers\.hcl, line \d+$`)

// A call is a function call in the result, such as file("banner").
type call struct{ function, argument string }

var callType = cty.Capsule("call", reflect.TypeFor[call]())

func callOf(function, argument string) cty.Value {
	return cty.CapsuleVal(callType, &call{function, argument})
}

// names returns the keys in order.
func names[V any](of map[string]V) []string { return slices.Sorted(maps.Keys(of)) }
