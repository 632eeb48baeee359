package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// wrappers are the files of this machine by which libwrap refuses clients: of tcpd, xinetd and most inetds.
var wrappers = struct{ deny, allow string }{"/etc/hosts.deny", "/etc/hosts.allow"}

// A wrapperRule is why libwrap refuses clients here, of some daemons or, without any, of all.
type wrapperRule struct {
	why     string
	daemons []string
}

// wrapperRules returns the rules of this machine that refuse clients.
func wrapperRules() (all []wrapperRule) {
	for _, rules := range [][2]string{{wrappers.deny, ""}, {wrappers.allow, "deny"}} { // which is an option of a rule
		at, word := rules[0], rules[1]
		f, err := readFile(at)
		if _, stat := os.Stat(at); errors.Is(stat, fs.ErrNotExist) {
			continue
		} else if err != nil {
			all = append(all, wrapperRule{why: at + " cannot be read, and may refuse clients"})
		}
		lines := strings.Split(f.text, "\n")
		for i := 0; i < len(lines); i++ {
			n, rule := i+1, strings.TrimSpace(lines[i])
			if rule == "" || rule[0] == '#' {
				continue
			}
			if goesOn(lines[i]) {
				rule, i = joined(lines, i)
			}
			if strings.Contains(strings.ToLower(rule), word) {
				all = append(all, wrapperRule{fmt.Sprintf("%s:%d refuses clients, as xinetd and most inetds heed it; write an access block", at, n), daemonsOf(rule)})
			}
		}
	}
	return all
}

var (
	daemonName = regexp.MustCompile(`^[\w-]+(\.[\w-]+)*$`)
	wildcards  = set("all known unknown local paranoid except")
)

// daemonsOf returns the daemons that a rule names; nil where it has patterns, which may stand for any.
func daemonsOf(rule string) []string {
	list, _, _ := strings.Cut(strings.ToLower(rule), ":")
	all := strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(", \t", r) })
	if slices.ContainsFunc(all, func(name string) bool { return wildcards[name] || !daemonName.MatchString(name) }) {
		return nil
	}
	return all
}

// heed disables a server of which a rule refuses clients. libwrap knows it by the name of the service, or of the program.
func (s *server) heed(rules []wrapperRule, names ...string) {
	for _, r := range rules {
		if len(r.daemons) == 0 || slices.ContainsFunc(names, func(name string) bool { return slices.Contains(r.daemons, strings.ToLower(path.Base(name))) }) {
			s.disable(r.why)
			return
		}
	}
}
