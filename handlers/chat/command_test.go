package chat_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers/chat/room"
)

const commands = `{"commands": true}`

// named connects a client and gives it a name.
func named(t *testing.T, s *framework.BaseServer, name string) *client {
	t.Helper()
	c := dial(t, s)
	c.skips("/help lists the commands\n")
	c.say("/nick " + name + "\n")
	c.skips(" is now " + name + "\n")
	return c
}

func TestCommands(t *testing.T) {
	s := serve(t, "tcp", commands)
	a := dial(t, s)
	a.hears("-- you are guest1 in the room lobby; /help lists the commands\n")
	b := dial(t, s)
	b.hears("-- you are guest2 in the room lobby, with guest1; /help lists the commands\n")
	a.hears("欢迎guest2来到我们的聊天室!\n")

	a.say("/nick alice\n")
	a.hears("-- guest1 is now alice\n")
	b.hears("-- guest1 is now alice\n")
	a.say("hello\r\nwor")
	a.say("ld\n")
	b.hears("alice: hello\nalice: world\n")
	b.say("/nick 宝宝\n你好\n")
	a.hears("-- guest2 is now 宝宝\n宝宝: 你好\n")
	b.hears("-- guest2 is now 宝宝\n")
	a.say("/me waves\n")
	b.hears("* alice waves\n")
	a.say("//join is a command\n\n")
	b.hears("alice: /join is a command\n")
	a.say("/names\n")
	a.hears("-- in the room lobby: alice, 宝宝\n")
	b.say("/msg ALICE psst \x1b[2J\n")
	a.hears(`宝宝 (to you): psst \u001b[2J` + "\n")
	b.say("/help\n")
	b.skips("-- //TEXT         send a message that begins with a slash\n")
	b.say("/quit\nmore\n")
	b.hears("-- goodbye\n")
	b.hearsEnd()
	a.hears("宝宝离开了我们的聊天室!\n")
	a.say("/msg 宝宝 hello\n")
	a.hears("-- nobody is called 宝宝; /names lists the users in this room\n")
}

// A line may begin with a blank; one of blanks only says nothing.
func TestCommandBlanks(t *testing.T) {
	s := serve(t, "tcp", commands)
	a, b := named(t, s, "alice"), named(t, s, "bob")
	a.skips("bob\n")
	for _, line := range []string{" ", "\t", "\u3000 ", " \r", ""} {
		a.say(line + "\n")
	}
	for _, line := range []string{" x", "  two  ", " /help", "\t/quit", "\tx y"} {
		a.say(line + "\n")
		b.hears("alice: " + line + "\n")
	}
}

// Lines arrive whole, however many of them come at once.
func TestCommandManyLines(t *testing.T) {
	s := serve(t, "tcp", commands)
	a, b := named(t, s, "alice"), named(t, s, "bob")
	a.skips("bob\n")
	for _, length := range []int{40, 1023, 4000} {
		text := strings.Repeat("x", length) + " /quit"
		go a.say(strings.Repeat(text+"\n", 20))
		for range 20 {
			b.hears("alice: " + text + "\n")
		}
	}
	a.say("now the end of it\n/me has no newline")
	require.NoError(t, a.Conn.(*net.TCPConn).CloseWrite())
	b.hears("alice: now the end of it\n* alice has no newline\n")
}

// Some clients never send a newline.
func TestCommandWithoutNewlines(t *testing.T) {
	s := serve(t, "tcp", commands)
	a, b := dial(t, s), named(t, s, "bob")
	a.say("/nick alice")
	b.skips(" is now alice\n")
	for _, text := range []string{"hello", "/me waves", strings.Repeat("x", 3000)} {
		a.say(text)
		if text == "/me waves" {
			b.hears("* alice waves\n")
			continue
		}
		b.hears("alice: " + text + "\n")
	}
}

// The rest of a line that is too long is not a command.
func TestCommandLongLine(t *testing.T) {
	s := serve(t, "tcp", commands)
	a, b := named(t, s, "alice"), named(t, s, "bob")
	a.skips("bob\n")
	const slashes = 50_000
	go a.say("x" + strings.Repeat("/", slashes) + "\n/me waves\n")
	for heard := 0; heard < slashes; {
		line := b.until("\n")
		require.True(t, strings.HasPrefix(line, "alice: "), line)
		heard += strings.Count(line, "/")
	}
	b.hears("* alice waves\n")
}

// The rate applies to lines and commands, even if they arrive at once.
func TestCommandRate(t *testing.T) {
	s := serve(t, "tcp", `{"commands": true, "rate": 100}`)
	for _, line := range []string{"x\n", "/names\n"} {
		a := dial(t, s)
		a.skips("/help lists the commands\n")
		began := time.Now()
		a.say(strings.Repeat(line, 25) + "/nick last\n")
		a.skips(" is now last\n")
		require.GreaterOrEqual(t, time.Since(began), 200*time.Millisecond, "21 after the burst")
		a.reset()
	}
}

// A mistake is answered to its sender alone.
func TestCommandErrors(t *testing.T) {
	s := serve(t, "tcp", commands)
	a, b := named(t, s, "alice"), named(t, s, "bob")
	a.skips("bob\n")
	for command, answer := range map[string]string{
		"/dance now":                       "there is no command /dance; /help lists them",
		"/":                                "there is no command /; /help lists them",
		"/nick":                            "a name has 1 to 20 letters and digits, and may have - and _; write it as in /nick alice",
		"/nick a b":                        "a name has 1 to 20 letters and digits, and may have - and _; write it as in /nick alice",
		"/nick " + strings.Repeat("x", 21): "a name has 1 to 20 letters and digits, and may have - and _; write it as in /nick alice",
		"/nick bo\u200db":                  "a name has 1 to 20 letters and digits, and may have - and _; write it as in /nick alice",
		"/nick --":                         "a name has 1 to 20 letters and digits, and may have - and _; write it as in /nick alice",
		"/nick _-_":                        "a name has 1 to 20 letters and digits, and may have - and _; write it as in /nick alice",
		"/nick \u3164":                     "a name has 1 to 20 letters and digits, and may have - and _; write it as in /nick alice",
		"/nick bob\u3164":                  "a name has 1 to 20 letters and digits, and may have - and _; write it as in /nick alice",
		"/nick \u115fbob":                  "a name has 1 to 20 letters and digits, and may have - and _; write it as in /nick alice",
		"/nick b\u1160ob":                  "a name has 1 to 20 letters and digits, and may have - and _; write it as in /nick alice",
		"/nick bob\uffa0":                  "a name has 1 to 20 letters and digits, and may have - and _; write it as in /nick alice",
		"/nick BOB":                        "the name BOB is taken; choose another one",
		"/me":                              "write it as in /me waves",
		"/msg":                             "write it as in /msg alice hello",
		"/msg bob":                         "write it as in /msg alice hello",
		"/join":                            "the name of a room has 1 to 20 letters and digits, and may have - and _; write it as in /join tea",
		"/join Lobby":                      "you are in the room lobby already",
	} {
		a.say(command + "\n")
		a.hears("-- " + answer + "\n")
	}
	a.say("/nick ALICE\n") // one's own name in another case
	b.hears("-- alice is now ALICE\n")
	b.say("/nick bob\n")
	b.hears("-- bob is now bob\n")
}

func TestCommandJoin(t *testing.T) {
	s := serve(t, "tcp", `{"commands": true, "history": 1}`)
	a, b := named(t, s, "alice"), named(t, s, "bob")
	a.skips("bob\n")
	a.say("/join tea\n")
	a.hears("-- you are alice in the room tea; /help lists the commands\n")
	b.hears("alice离开了我们的聊天室!\n")
	b.say("nobody hears\n/join TEA\n")
	b.hears("-- you are bob in the room tea, with alice; /help lists the commands\n")
	a.hears("欢迎bob来到我们的聊天室!\n")
	b.say("/names\nsugar?\n")
	b.hears("-- in the room tea: alice, bob\n")
	a.hears("bob: sugar?\n")
	c := dial(t, s)
	c.hears("-- you are guest3 in the room lobby; /help lists the commands\nbob: nobody hears\n")
	c.say("/msg alice hi\n/join tea\n")
	a.hears("guest3 (to you): hi\n欢迎guest3来到我们的聊天室!\n")
	c.hears("-- you are guest3 in the room tea, with alice, bob; /help lists the commands\nbob: sugar?\n")
	for _, other := range []*client{b, c} {
		require.NoError(t, other.Close())
		a.skips("离开了我们的聊天室!\n")
	}
	a.say("/join milk\n/join tea\n/names\n")
	a.skips("alice in the room tea; /help lists the commands\n")
	a.hears("-- in the room tea: alice\n") // and nothing of what was said in the one before
}

// A name is free again when its user has left, in whatever way. Of several users one gets it.
func TestCommandNames(t *testing.T) {
	s := serve(t, "tcp", commands)
	a, b := named(t, s, "alice"), named(t, s, "guest3")
	a.skips("guest3\n")
	c := dial(t, s)
	c.hears("-- you are guest4 in the room lobby, with alice, guest3; /help lists the commands\n")
	b.reset()
	a.skips("guest3离开了我们的聊天室!\n")
	for name := range strings.FieldsSeq("Straße K ǅ σ") {
		a.say("/nick " + name + "\n")
		c.skips(" is now " + name + "\n")
		for _, same := range map[string][]string{
			"Straße": {"STRAßE", "straẞe"}, "K": {"k", "\u212a"}, "ǅ": {"ǆ", "Ǆ"}, "σ": {"ς", "Σ"},
		}[name] {
			c.say("/nick " + same + "\n")
			c.hears("-- the name " + same + " is taken; choose another one\n")
		}
	}
	const racers = 8
	var clients []*client
	for range racers {
		clients = append(clients, dial(t, s))
	}
	for _, racer := range clients {
		racer.say("/nick Winner\n")
	}
	won := 0
	for _, racer := range clients {
		racer.say("/msg winner ping\n/msg nobody x\n")
		won += strings.Count(racer.until("nobody is called nobody"), "-- the name Winner is taken")
	}
	require.Equal(t, racers-1, won)
}

func TestCommandManyNames(t *testing.T) {
	s := serve(t, "tcp", commands)
	a := dial(t, s)
	for range 101 {
		dial(t, s).skips("\n")
	}
	a.say("/names\n")
	a.skips("-- in the room lobby: guest")
	require.Equal(t, 99, strings.Count(a.until(", and 2 more\n"), "guest"))
}

func TestCommandWords(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, []string{"/help", "/join", "/me", "/msg", "/names", "/nick", "/quit"}, room.Commands())
}

// Names may have the combining marks of their scripts. Both encodings of an accent are one name.
func TestNamesWithMarks(t *testing.T) {
	s := serve(t, "tcp", commands)
	a, b := dial(t, s), named(t, s, "bob")
	for _, name := range []string{"jose\u0301", "नमस्ते", "สวัสดี", "নাম", "שָׁלוֹם", "தமிழ்", "e\u0323\u0302", "가나"} {
		a.say("/nick " + name + "\n")
		b.skips(" is now " + name + "\n")
		b.say("/msg " + name + " hello\n")
		a.skips("bob (to you): hello\n")
	}
	a.say("/nick José\n")
	b.skips(" is now José\n")
	for _, same := range []string{"jose\u0301", "JOSE\u0301", "JOSÉ"} {
		b.say("/nick " + same + "\n")
		b.hears("-- the name " + same + " is taken; choose another one\n")
	}
	for _, name := range []string{"\u0301", "\u0301a", "-\u0301a", "a_\u0301", "a\u034f", "a\ufe0f", "a\u20dd", "a" + strings.Repeat("\u0301", 5)} {
		b.say("/nick " + name + "\n")
		b.hears("-- a name has 1 to 20 letters and digits, and may have - and _; write it as in /nick alice\n")
	}
	b.say("/join chaî\u0301ne\n")
	b.hears("-- you are bob in the room chaî\u0301ne; /help lists the commands\n")
}

// Commands may be in any case, and any blank ends them.
func TestCommandCase(t *testing.T) {
	s := serve(t, "tcp", commands)
	a, b := named(t, s, "alice"), named(t, s, "bob")
	a.skips("bob\n")
	a.say("/ME waves\n/me\tsmiles\n/Msg\tbob\thello\n/Nick Ann\n/NAMES\n")
	b.hears("* alice waves\n* alice smiles\nalice (to you): hello\n-- alice is now Ann\n")
	a.hears("-- alice is now Ann\n-- in the room lobby: Ann, bob\n")
	a.say("/QUIT\n")
	a.hears("-- goodbye\n")
	a.hearsEnd()
}
