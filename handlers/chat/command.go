package chat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const help = `-- /nick NAME     change your name
-- /names         who is in this room
-- /msg NAME TEXT say something to one member, in whatever room
-- /me TEXT       say what you do
-- /join ROOM     go to another room, which is opened for you
-- /quit          leave
-- //TEXT         say something that begins with a slash
`

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

// maxLine is how much of a line is waited for, in bytes.
const maxLine = 8 << 10

// converse does what p says, line by line. Some clients never send a newline: what has come is
// a line then, as far as it has come. Of others the rest of a line is waited for.
func (r *rooms) converse(p *person, in *input) error {
	var said []byte
	for lines, tail := false, false; ; {
		text, end := in.next()
		if end != nil && !errors.Is(end, io.EOF) {
			return end
		}
		for said = append(said, text...); len(said) > 0; {
			line, rest, ended := bytes.Cut(said, []byte("\n"))
			lines = lines || ended
			goesOn := !ended && end == nil && (lines || in.rfile.Buffered() > 0)
			if goesOn && len(line) < maxLine {
				break
			}
			if err := in.pace(); err != nil {
				return err
			}
			if tail && bytes.HasPrefix(line, []byte("/")) {
				line = append([]byte("/"), line...) // it is no command
			}
			if quit := r.line(p, strings.TrimRight(string(line), "\r")); quit {
				return nil
			}
			said, tail = rest, goesOn
		}
		if end != nil {
			return end
		}
		if len(said) == 0 {
			said = nil // those who are silent keep nothing
		}
	}
}

// line does what one line of p's is: a command, or something said.
func (r *rooms) line(p *person, line string) (quit bool) {
	if strings.TrimSpace(line) == "" {
		return false
	}
	command, argument, _ := strings.Cut(line, " ")
	argument = strings.TrimSpace(argument)
	called := r.nameOf(p)
	switch {
	case !strings.HasPrefix(line, "/"):
		r.say(p, fmt.Appendf(nil, "%s: %s\n", called, line))
	case strings.HasPrefix(command, "//"):
		r.say(p, fmt.Appendf(nil, "%s: %s\n", called, line[1:]))
	case command == "/quit":
		p.tell("goodbye")
		return true
	case command == "/help":
		p.room.hub.Send(p.Member, []byte(help))
	case command == "/names":
		p.tell("in the room %s: %s", p.room.name, r.present(p.room))
	case command == "/nick":
		r.nick(p, argument)
	case command == "/msg":
		r.whisper(p, argument)
	case command == "/me" && argument != "":
		r.say(p, fmt.Appendf(nil, "* %s %s\n", called, argument))
	case command == "/me":
		p.tell("write it as in /me waves")
	case command == "/join":
		r.join(p, argument)
	default:
		p.tell("there is no command %s; /help lists them", command)
	}
	return false
}

// tell sends p a notice, in order with what is said in its room.
func (p *person) tell(format string, args ...any) {
	p.room.hub.Send(p.Member, fmt.Appendf(nil, "-- "+format+"\n", args...))
}

const nameRule = "has 1 to 20 letters and digits, and may have - and _"

func (r *rooms) nick(p *person, name string) {
	before := r.nameOf(p)
	switch {
	case !isName(name):
		p.tell("a name %s; write it as in /nick alice", nameRule)
	case !r.rename(p, name):
		p.tell("the name %s is taken; choose another one", name)
	default:
		p.room.hub.Broadcast(nil, renamed(before, name))
	}
}

func renamed(before, name string) []byte {
	return fmt.Appendf(nil, "-- %s is now %s\n", before, name)
}

func (r *rooms) join(p *person, name string) {
	switch {
	case !isName(name):
		p.tell("the name of a room %s; write it as in /join tea", nameRule)
	case fold(name) == fold(p.room.name):
		p.tell("you are in the room %s already", p.room.name)
	default:
		r.leave(p)
		r.enter(p, name)
	}
}

// whisper sends a message to one member.
func (r *rooms) whisper(p *person, argument string) {
	name, text, _ := strings.Cut(argument, " ")
	if text = strings.TrimSpace(text); text == "" {
		p.tell("write it as in /msg alice hello")
		return
	}
	message := fmt.Appendf(nil, "%s (to you): %s\n", r.nameOf(p), text)
	if to := r.find(name); to != nil {
		r.whereIs(to).hub.Send(to.Member, message)
		return
	}
	switch known, reached := r.whisperAway(name, message); {
	case !known:
		p.tell("nobody is called %s; /names lists who is in this room", name)
	case !reached:
		p.tell("%s is at another server, which this one is not linked to", name)
	}
}

// maxListed is how many names a list has, so that it costs the same in every room.
const maxListed = 100

// present lists who is in a room, or some of them.
func (r *rooms) present(place *room) string {
	r.mu.Lock()
	var names []string
	for p := range place.people {
		if names = append(names, p.name); len(names) == maxListed {
			break
		}
	}
	away := r.away(place)
	for x := range away {
		if len(names) == maxListed {
			break
		}
		names = append(names, x.Name)
	}
	more := len(place.people) + len(away) - len(names)
	r.mu.Unlock()
	slices.Sort(names)
	if more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
