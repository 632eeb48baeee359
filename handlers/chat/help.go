package chat

import "strings"

// Commands are the words with which the commands of a room begin, such as /nick, as /help lists
// them.
func Commands() []string {
	all := []string{"/help"}
	for line := range strings.Lines(help) {
		if command := strings.Fields(line)[1]; !strings.HasPrefix(command, "//") {
			all = append(all, command)
		}
	}
	return all
}
