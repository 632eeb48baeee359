package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// wrappers are the files of this machine by which libwrap refuses clients: of tcpd, xinetd and most inetds.
var wrappers = struct{ deny, allow string }{"/etc/hosts.deny", "/etc/hosts.allow"}

// wrapped returns why servers that libwrap guards must not run, if it refuses somebody here.
func wrapped() (all []string) {
	for _, rules := range [][2]string{{wrappers.deny, ""}, {wrappers.allow, "deny"}} { // which is an option of a rule
		path, word := rules[0], rules[1]
		f, err := readFile(path)
		if _, stat := os.Stat(path); errors.Is(stat, fs.ErrNotExist) {
			continue
		} else if err != nil {
			all = append(all, path+" cannot be read, and may refuse clients")
		}
		for i, line := range strings.Split(f.text, "\n") {
			if rule := strings.TrimSpace(line); rule != "" && rule[0] != '#' && strings.Contains(strings.ToLower(rule), word) {
				all = append(all, fmt.Sprintf("%s:%d refuses clients, as xinetd and most inetds heed it; write an access block", path, i+1))
				break
			}
		}
	}
	return all
}
