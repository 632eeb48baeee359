package room

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/go-socketserver/socketserver/handlers/framing"
)

const help = `-- /nick NAME     change your name
-- /names         list the users in this room
-- /msg NAME TEXT send a message to one user, in any room
-- /me TEXT       describe what you do
-- /join ROOM     go to another room, which is opened for you
-- /quit          leave
-- //TEXT         send a message that begins with a slash
`

// Commands returns the commands of a room with their slash, such as /nick.
func Commands() []string {
	all := []string{"/help"}
	for line := range strings.Lines(help) {
		if command := strings.Fields(line)[1]; !strings.HasPrefix(command, "//") {
			all = append(all, command)
		}
	}
	return all
}

// converse serves u line by line. For a client that never sends a newline, a line is what has
// arrived; of any other the rest of a line is awaited, up to framing.MaxLine.
func (r *rooms) converse(u *user, rfile *bufio.Reader) error {
	var text []byte
	for lines, tail := false, false; ; {
		more, end := u.Next()
		if end != nil && !errors.Is(end, io.EOF) {
			return end
		}
		for text = append(text, more...); len(text) > 0; {
			line, rest, ended := bytes.Cut(text, []byte("\n"))
			lines = lines || ended
			partial := !ended && end == nil && (lines || rfile.Buffered() > 0)
			if partial && len(line) < framing.MaxLine {
				break
			}
			if err := u.Pace(); err != nil {
				return err
			}
			if tail && bytes.HasPrefix(line, []byte("/")) {
				line = append([]byte("/"), line...) // the rest of a long line is no command
			}
			if quit := r.line(u, strings.TrimRight(string(line), "\r")); quit {
				return nil
			}
			text, tail = rest, partial
		}
		if end != nil {
			return end
		}
		if len(text) == 0 {
			text = nil // idle users hold no buffer
		}
	}
}

// cutWord returns the first word of a text, and what follows it.
func cutWord(text string) (word, rest string) {
	i := strings.IndexFunc(text+" ", unicode.IsSpace)
	return text[:i], strings.TrimSpace(text[i:])
}

// line executes a line of u, a command or a message.
func (r *rooms) line(u *user, line string) (quit bool) {
	if strings.TrimSpace(line) == "" {
		return false
	}
	command, argument := cutWord(line)
	name := r.nameOf(u)
	switch folded := strings.ToLower(command); {
	case !strings.HasPrefix(line, "/"):
		r.say(u, fmt.Appendf(nil, "%s: %s\n", name, line))
	case strings.HasPrefix(command, "//"):
		r.say(u, fmt.Appendf(nil, "%s: %s\n", name, line[1:]))
	case folded == "/quit":
		u.notify("goodbye")
		return true
	case folded == "/help":
		u.room.hub.Send(u.Member, []byte(help))
	case folded == "/names":
		u.notify("in the room %s: %s", u.room.name, r.present(u.room))
	case folded == "/nick":
		r.nick(u, argument)
	case folded == "/msg":
		r.whisper(u, argument)
	case folded == "/me" && argument != "":
		r.say(u, fmt.Appendf(nil, "* %s %s\n", name, argument))
	case folded == "/me":
		u.notify("write it as in /me waves")
	case folded == "/join":
		r.join(u, argument)
	default:
		u.notify("there is no command %s; /help lists them", command)
	}
	return false
}

// notify sends u a notice, in order with the messages of its room.
func (u *user) notify(format string, args ...any) {
	u.room.hub.Send(u.Member, fmt.Appendf(nil, "-- "+format+"\n", args...))
}

func (r *rooms) nick(u *user, name string) {
	before := r.nameOf(u)
	switch {
	case !isName(name):
		u.notify("a name %s; write it as in /nick alice", nameRule)
	case !r.takeName(u, name):
		u.notify("the name %s is taken; choose another one", name)
	default:
		u.room.hub.Broadcast(nil, renamed(before, name))
	}
}

func renamed(before, name string) []byte {
	return fmt.Appendf(nil, "-- %s is now %s\n", before, name)
}

func (r *rooms) join(u *user, name string) {
	switch {
	case !isName(name):
		u.notify("the name of a room %s; write it as in /join tea", nameRule)
	case fold(name) == fold(u.room.name):
		u.notify("you are in the room %s already", u.room.name)
	default:
		r.leave(u)
		r.enter(u, name)
		r.link.moved(u)
	}
}

// whisper sends a message to one user, here or at another server.
func (r *rooms) whisper(u *user, argument string) {
	name, text := cutWord(argument)
	if text == "" {
		u.notify("write it as in /msg alice hello")
		return
	}
	r.mu.Lock()
	message := fmt.Appendf(nil, "%s (to you): %s\n", u.name, text)
	var at *room
	to, problem := r.names[fold(name)], ""
	switch {
	case to == nil:
		problem = "nobody is called %s; /names lists the users in this room"
	case to.server == nil:
		at = to.room
	case !r.link.linked:
		problem = "%s is at another server, which this one is not linked to"
	case r.link.whisper(to, message) != nil:
		problem = "the message is too long for other servers, and %s is at one"
	}
	r.mu.Unlock()
	if at != nil {
		at.hub.Send(to.Member, message)
	} else if problem != "" {
		u.notify(problem, name)
	}
}

// maxListed bounds the names in a list, so that it is short in every room.
const maxListed = 100

// present lists the users in a room, or some of them.
func (r *rooms) present(in *room) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list(in)
}

// list is present with r.mu held.
func (r *rooms) list(in *room) string {
	var names []string
	remote := r.remote(in)
	for u := range in.users {
		if len(names) < maxListed {
			names = append(names, u.name)
		}
	}
	for u := range remote {
		if len(names) < maxListed {
			names = append(names, u.name)
		}
	}
	slices.Sort(names)
	if more := len(in.users) + len(remote) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
