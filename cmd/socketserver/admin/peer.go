package admin

import (
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// A peer is the process at the other end of a connection.
type peer struct {
	known    bool // the system has said who it is
	pid      int
	uid, gid int
}

// permitted reports whether the peer is root, this user, or one of allow, which are "user:NAME"
// and "group:NAME". Groups are those of the user and that of the process.
func (p peer) permitted(allow []string) bool {
	if !p.known {
		return false
	}
	return p.owns() || slices.ContainsFunc(allow, func(who string) bool {
		kind, name, _ := strings.Cut(who, ":")
		if kind == "user" {
			u, err := user.Lookup(name)
			return err == nil && u.Uid == strconv.Itoa(p.uid)
		}
		g, err := user.LookupGroup(name)
		return err == nil && slices.Contains(p.groups(), g.Gid)
	})
}

// owns reports whether the peer is root or this user, who can do whatever this process can.
func (p peer) owns() bool { return p.known && (p.uid == 0 || p.uid == os.Geteuid()) }

func (p peer) groups() []string {
	groups := []string{strconv.Itoa(p.gid)}
	if u, err := user.LookupId(strconv.Itoa(p.uid)); err == nil {
		more, _ := u.GroupIds()
		groups = append(groups, more...)
	}
	return groups
}
