package natsbus_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/handlers/chat"
	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
	"github.com/go-socketserver/socketserver/handlers/chat/natsbus"
	"github.com/go-socketserver/socketserver/internal/natsclient/natstest"
)

func TestMain(m *testing.M) {
	chat.Buses = natsbus.Driver{}
	framework.ServeWorker(chat.Constructor)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children would sleep a second each
	goleak.VerifyTestMain(m)
}

const (
	unlinked = "-- not linked to other servers\n"
	linked   = "-- linked to other servers\n"
)

// startNATS starts a NATS server within this process; port -1 is any. set changes its options.
func startNATS(t testing.TB, port int, set ...func(*server.Options)) *server.Server {
	t.Helper()
	options := &server.Options{Port: port, Username: "user", Password: "secret", JetStream: true, StoreDir: t.TempDir()}
	for _, set := range set {
		set(options)
	}
	return natstest.Serve(t, options)
}

func port(s *server.Server) int { return s.Addr().(*net.TCPAddr).Port }

// address is that of a NATS server, as the option has it.
func address(port int) string {
	return fmt.Sprintf("nats://user:secret@127.0.0.1:%d/test", port)
}

// options are those of a chat server with names, and a bus there.
func options(port int) string {
	return fmt.Sprintf(`{"commands": true, "bus": %q}`, address(port))
}

// serve starts a chat server.
func serve(t testing.TB, options string, strategy framework.Strategy) (*framework.BaseServer, *frameworktest.Log) {
	t.Helper()
	s := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, chat.Constructor, options))
	log := frameworktest.NewLog()
	s.Strategy, s.Log = strategy, log.Logger()
	return frameworktest.Serve(t, s), log
}

// A client is a user in a room with names.
type client struct {
	net.Conn
	t     testing.TB
	rfile *bufio.Reader
}

func dial(t testing.TB, s *framework.BaseServer) *client {
	t.Helper()
	conn := frameworktest.Dial(t, s)
	return &client{conn, t, bufio.NewReader(conn)}
}

// enter connects a user of that name, and waits until the others are notified.
func enter(t testing.TB, s *framework.BaseServer, name string, there ...*client) *client {
	t.Helper()
	c := dial(t, s)
	c.say("/nick " + name)
	c.skips(" is now " + name + "\n")
	for _, other := range there {
		for heard := ""; heard != greeted(name) && !strings.HasSuffix(heard, " is now "+name+"\n"); { // they may miss its first name
			heard = other.until("\n")
		}
	}
	return c
}

func greeted(name string) string { return "欢迎" + name + "来到我们的聊天室!\n" }

func (c *client) say(line string) {
	c.t.Helper()
	_, err := io.WriteString(c, line+"\n")
	require.NoError(c.t, err)
}

// hears requires that this comes next.
func (c *client) hears(text string) {
	c.t.Helper()
	require.Equal(c.t, text, c.until("\n"))
}

// skips reads until text has come.
func (c *client) skips(text string) { c.t.Helper(); c.until(text) }

func (c *client) until(text string) string {
	c.t.Helper()
	var all []byte
	for !bytes.HasSuffix(all, []byte(text)) {
		b, err := c.rfile.ReadByte()
		require.NoError(c.t, err, "waiting for %q after %q", text, all)
		all = append(all, b)
	}
	return string(all)
}

// meet has each user send a message that all others receive. Their servers then know all that was
// announced before.
func meet(people ...*client) {
	for i, c := range people {
		c.t.Helper()
		c.say(fmt.Sprint("I am number ", i))
		for _, other := range people {
			if other != c {
				other.skips(fmt.Sprintf(": I am number %d\n", i))
			}
		}
	}
}

// names awaits that /names lists these, and requires that nothing else comes before. A server has the names at
// others from a table of its own, which may come later than what their users say.
func (c *client) names(list string) {
	c.t.Helper()
	for late := time.Now().Add(frameworktest.Patience); ; {
		c.say("/names")
		line := c.until("\n")
		if line == "-- in the room lobby: "+list+"\n" {
			return
		}
		require.Regexp(c.t, "^-- in the room lobby: ", line)
		require.True(c.t, time.Now().Before(late), "%q, not %q", line, list)
	}
}

// Messages, arrivals and departures at one server reach the other, once. Names are unique among
// the servers.
func TestTwoServers(t *testing.T) {
	at := port(startNATS(t, -1))
	one, log := serve(t, options(at), &framework.Threading{})
	two, _ := serve(t, options(at), &framework.Threading{})
	alice := enter(t, one, "alice")
	bob := enter(t, two, "bob", alice)
	meet(alice, bob)
	alice.names("alice, bob")
	bob.names("alice, bob")
	for i := range 100 {
		alice.say(fmt.Sprint("from alice ", i))
		bob.hears(fmt.Sprintf("alice: from alice %d\n", i))
		bob.say(fmt.Sprint("from bob ", i))
		alice.hears(fmt.Sprintf("bob: from bob %d\n", i))
	}
	alice.say("/me waves\x1b[2J")
	bob.hears(`* alice waves\u001b[2J` + "\n")
	alice.say("/msg BOB a secret")
	bob.hears("alice (to you): a secret\n")
	bob.say("/nick Alice")
	bob.hears("-- the name Alice is taken; choose another one\n")
	bob.say("/nick robert")
	bob.hears("-- bob is now robert\n")
	alice.hears("-- bob is now robert\n")

	bob.say("/join tea")
	bob.skips("in the room tea; /help lists the commands\n")
	alice.hears("robert离开了我们的聊天室!\n")
	alice.say("not heard in tea")
	alice.say("/join tea")
	alice.skips("; /help lists the commands\n")
	bob.hears("欢迎alice来到我们的聊天室!\n")
	bob.say("/quit")
	alice.skips("robert离开了我们的聊天室!\n")
	require.NotContains(t, log.String(), "secret")
}

// Rooms without names are shared byte by byte. The users of a server that ends are announced as
// departed.
func TestPlainRoom(t *testing.T) {
	at := port(startNATS(t, -1))
	bus := fmt.Sprintf(`{"history": 2, "bus": %q}`, address(at))
	one, _ := serve(t, bus, &framework.Threading{})
	two, _ := serve(t, bus, &framework.Threading{})
	a := dial(t, one)
	b := dial(t, two)
	for _, c := range []*client{a, b} { // the other one hears it now, or when it comes
		c.say("I am " + c.LocalAddr().String() + ".")
	}
	a.skips("I am " + b.LocalAddr().String() + ".\n")
	b.skips("I am " + a.LocalAddr().String() + ".\n")
	a.say("\x1b你好\xff")
	require.Equal(t, `\u001b你好\xff`+"\n", b.until("\n"))
	two.Stop()
	name := strings.Replace(b.LocalAddr().String(), ":", "', ", 1)
	require.Equal(t, "('"+name+")离开了我们的聊天室!", a.until("!"))
}

// The room of one server goes on while NATS is away. When it is back presence is right
// within five seconds, and nothing is heard twice.
func TestNATSReturns(t *testing.T) {
	kept := t.TempDir()
	store := func(o *server.Options) { o.StoreDir = kept }
	bus := startNATS(t, -1, store)
	at := port(bus)
	one, log := serve(t, options(at), &framework.Threading{})
	two, _ := serve(t, options(at), &framework.Threading{})
	alice := enter(t, one, "alice")
	carol := enter(t, one, "carol", alice)
	bob := enter(t, two, "bob", alice, carol)
	dave := enter(t, two, "dave", alice, carol, bob)
	meet(alice, bob, carol, dave)

	natstest.Stop(bus)
	for _, c := range []*client{alice, carol, bob, dave} {
		c.hears(unlinked)
	}
	alice.say("to carol")
	carol.hears("alice: to carol\n")
	alice.names("alice, carol")
	alice.say("/msg bob hello")
	alice.hears("-- bob is at another server, which this one is not linked to\n")
	dave.say("/quit")
	bob.hears("dave离开了我们的聊天室!\n")
	erin := dial(t, two)
	erin.skips("/help lists the commands\n")
	erin.hears(unlinked)
	bob.until("来到我们的聊天室!\n")
	erin.say("/nick erin")
	erin.skips(" is now erin\n")
	bob.skips(" is now erin\n")
	bob.say("never heard there")
	erin.hears("bob: never heard there\n")

	startNATS(t, at, store)
	began := time.Now()
	for _, c := range []*client{bob, erin} {
		c.hears(linked)
	}
	for _, c := range []*client{alice, carol} {
		c.hears(linked)
		news := c.until("!\n") + c.until("!\n")
		require.Contains(t, news, "dave离开了我们的聊天室!\n")
		require.Contains(t, news, "欢迎erin来到我们的聊天室!\n")
		require.NotContains(t, news, "bob")
		c.names("alice, bob, carol, erin")
	}
	bob.say("/names")
	bob.hears("-- in the room lobby: alice, bob, carol, erin\n")
	require.Less(t, time.Since(began), 5*time.Second)
	for i := range 20 {
		alice.say(fmt.Sprint(i))
		bob.hears(fmt.Sprintf("alice: %d\n", i))
		bob.say(fmt.Sprint(i))
		alice.hears(fmt.Sprintf("bob: %d\n", i))
	}
	require.Contains(t, log.String(), "[WARN]  the bus is lost")
	require.NotContains(t, log.String(), "secret")
}

// A server starts where NATS does not answer. Of two users who have taken one name meanwhile one keeps it, and the
// other is told.
func TestNATSAwayAtStart(t *testing.T) {
	bus := startNATS(t, -1)
	at := port(bus)
	natstest.Stop(bus)
	one, log := serve(t, options(at), &framework.Threading{})
	two, _ := serve(t, options(at), &framework.Threading{})
	log.Await(t, "[WARN]  the bus cannot be reached")
	sam, loud := enter(t, one, "sam"), enter(t, two, "SAM")
	startNATS(t, at)
	sam.skips(linked)
	loud.skips(linked)
	sam.say("/me is here")
	loud.say("/me is here")
	heardByLoud, heardBySam := loud.until(" is here\n"), sam.until(" is here\n")
	loser, heard, before := loud, heardByLoud, "SAM"
	guest := heardBySam[strings.LastIndex(heardBySam, "* ")+2:]
	if strings.Contains(heardByLoud, "* guest") {
		loser, heard, before = sam, heardBySam, "sam"
		guest = heardByLoud[strings.LastIndex(heardByLoud, "* ")+2:]
	}
	guest = strings.TrimSuffix(guest, " is here\n")
	require.Regexp(t, "^guest[0-9]+$", guest)
	if notice := fmt.Sprintf("-- the name %s is taken at another server; you are now %s,", before, guest); !strings.Contains(heard, notice) {
		loser.skips(notice)
	}
	require.NotContains(t, log.String(), "secret")
}

// Workers are servers of the bus like others: those of preforking, and children that serve one
// client each.
func TestWorkers(t *testing.T) {
	at := port(startNATS(t, -1))
	for name, strategy := range map[string]framework.Strategy{
		"forking": &framework.Forking{Command: &framework.Program{Path: "/bin/true"}}, "preforking": &framework.Preforking{Workers: 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, log := serve(t, options(at), strategy)
			first := enter(t, s, "first")
			there := []*client{first}
			for i := range 6 { // with two workers some of them are elsewhere
				there = append(there, enter(t, s, fmt.Sprint("c", i), there...))
			}
			meet(there...)
			for _, c := range there {
				c.say("/names")
				c.skips("-- in the room lobby: c0, c1, c2, c3, c4, c5, first\n")
			}
			first.say("hello")
			for _, c := range there[1:] {
				c.skips("first: hello\n")
				require.NoError(t, c.Close())
			}
			for range there[1:] {
				first.skips("离开了我们的聊天室!\n")
			}
			first.say("/names")
			first.hears("-- in the room lobby: first\n")
			first.say("/quit")
			first.skips("goodbye\n")
			require.NotContains(t, log.String(), "secret")
		})
	}
}

// A foreigner sends frames like a server, and other messages.
type foreigner struct {
	*nats.Conn
	t      *testing.T
	id     string
	number int
}

func newForeigner(t *testing.T, port int, id string) *foreigner {
	t.Helper()
	c, err := nats.Connect(address(port))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return &foreigner{c, t, id, 1}
}

func (s *foreigner) publish(data string) {
	s.t.Helper()
	require.NoError(s.t, s.Publish("socketserver.chat.test.room.LOBBY", []byte(data)))
	require.NoError(s.t, s.Flush())
}

func (s *foreigner) send(frame map[string]any) {
	s.t.Helper()
	s.number++
	frame["from"], frame["named"], frame["number"] = s.id, true, s.number
	data, err := json.Marshal(frame)
	require.NoError(s.t, err)
	s.publish(string(data))
}

// put writes to the table of users, for as long as the foreigner's server lives.
func (s *foreigner) put(key string, value any) {
	s.t.Helper()
	data, err := json.Marshal(value)
	require.NoError(s.t, err)
	m := &nats.Msg{Subject: "$KV.socketserver_chat_test." + key, Data: data, Header: nats.Header{"Nats-TTL": {"3s"}}}
	_, err = s.RequestMsg(m, time.Minute)
	require.NoError(s.t, err)
}

// What comes from the bus does no more to members than what clients send.
func TestGarbage(t *testing.T) {
	at := port(startNATS(t, -1))
	one, log := serve(t, options(at), &framework.Threading{})
	alice := enter(t, one, "alice")
	s := newForeigner(t, at, "00000000000000aa")
	for _, garbage := range []string{
		"", "{}", "null", `{"from": "me"}`, "\x00\xff", strings.Repeat("[", 100_000), strings.Repeat("x", 300_000),
		`{"from": "00000000000000aa", "number": 1, "named": false, "room": "lobby", "text": "aGVsbG8="}`,
	} {
		s.publish(garbage)
	}
	s.send(map[string]any{"room": "absent", "text": []byte("x")})
	s.send(map[string]any{"room": "lobby", "text": bytes.Repeat([]byte("x"), 100_000)})
	s.send(map[string]any{"to": 12345, "text": []byte("x")})
	user := func(id int, name, room string) map[string]any {
		return map[string]any{"server": s.id, "named": true, "id": id, "name": name, "room": room}
	}
	s.put("server."+s.id, "")
	s.put("other", "")
	s.put("user.name.X", "nonsense")
	s.put("user.name.X", user(1, "-- not a name", "lobby"))
	s.put("user.name.X", user(1, "eve\x1b[2J", "lobby"))
	s.put("user.name.X", user(1, "eve", "../lobby"))
	s.put("user.name.X", user(0, "eve", "lobby"))
	alice.names("alice")

	s.send(map[string]any{"room": "Lobby", "text": []byte("eve: \x1b[31m\xff\u202e\n-- you are now root\n")})
	alice.hears(`eve: \u001b[31m\xff\u202e\u000a-- you are now root` + "\n")
	s.put("user.name.EVE", user(1, "eve", "lobby"))
	alice.hears("欢迎eve来到我们的聊天室!\n")
	s.send(map[string]any{"room": "lobby", "text": []byte("eve: once\n")})
	alice.hears("eve: once\n")
	s.number--
	s.send(map[string]any{"room": "lobby", "text": []byte("eve: once\n")})
	s.put("user.name.ELSE", user(2, "ALICE", "lobby")) // under another key
	alice.hears("欢迎ALICE来到我们的聊天室!\n")
	left := alice.until("!\n") + alice.until("!\n") // as the time of that server is over
	require.Contains(t, left, "eve离开了我们的聊天室!\n")
	require.Contains(t, left, "ALICE离开了我们的聊天室!\n")
	alice.names("alice")
	require.Equal(t, 1, strings.Count(log.String(), "its messages are ignored"))
	require.Contains(t, log.String(), "another program uses the bucket of the bus")
	require.Contains(t, log.String(), "another setting of commands")
}

func TestCheck(t *testing.T) {
	for address, problem := range map[string]string{
		"localhost:4222":                 "begins with nats:// or tls://",
		"http://user:secret@localhost":   "begins with nats:// or tls://",
		"nats://user:secret@":            "has no host",
		"nats://user:secret@localhost:x": "is not a URL",
		"nats://secret@localhost?a=b":    "after its path",
		"nats://secret@localhost/a/b":    "has a path that is not a name",
		"nats://secret@localhost/*":      "has a path that is not a name",
	} {
		err := natsbus.Driver{}.Check(address)
		require.ErrorContains(t, err, problem, address)
		require.NotContains(t, err.Error(), "secret")
		_, err = chat.Constructor.Class(fmt.Appendf(nil, `{"bus": %q}`, address))
		var refused *framework.OptionError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "bus", refused.Option)
	}
	for _, address := range []string{"nats://localhost", "tls://user:secret@nats.example.com:4222/lounge"} {
		require.NoError(t, natsbus.Driver{}.Check(address))
	}
	_, err := chat.Constructor.Class([]byte(`{"mode": "pairs", "bus": "nats://localhost"}`))
	require.EqualError(t, err, `option "bus": is for mode = "room", as pairs and operators are at one server; remove it, or change the mode`)
	class, err := chat.Constructor.Class([]byte(`{"bus": "nats://localhost", "history": 1}`))
	require.NoError(t, err)
	require.Empty(t, class.Stateful)
}

// hanging returns the port of what passes one connection on to a NATS server, until it is
// hang is called: it then takes nothing from the client, and closes nothing.
func hanging(t *testing.T, to net.Addr) (port int, hang func()) {
	front, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	hangs, working := make(chan struct{}), sync.WaitGroup{}
	working.Go(func() {
		in, err := front.Accept()
		_ = front.Close()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", to.String())
		if err != nil {
			return
		}
		working.Go(func() { _, _ = io.Copy(in, out) }) // until that is closed
		defer func() { _, _ = in.Close(), out.Close() }()
		for err == nil {
			select {
			case <-hangs:
				<-t.Context().Done()
				return
			default:
				_, err = io.CopyN(out, in, 1)
			}
		}
	})
	t.Cleanup(func() {
		_ = front.Close()
		working.Wait()
	})
	return front.Addr().(*net.TCPAddr).Port, func() { close(hangs) }
}

// A NATS server that does not answer any more, with its connections open, holds up no room:
// not before its link is taken for lost, nor when that happens.
func TestNATSHangs(t *testing.T) {
	port, hang := hanging(t, startNATS(t, -1).Addr())
	one, log := serve(t, options(port), &framework.Threading{})
	alice := enter(t, one, "alice")
	carol := enter(t, one, "carol", alice)
	hang()
	const lines = 40
	text := strings.Repeat("x", 900) + "\n"
	for !strings.Contains(log.String(), "the bus is lost") {
		for _, c := range []*client{alice, carol} {
			require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
		}
		_, err := io.WriteString(alice, strings.Repeat(text, lines))
		require.NoError(t, err)
		for heard := 0; heard < lines; {
			line, err := carol.rfile.ReadString('\n')
			require.NoError(t, err)
			if line != unlinked {
				require.Equal(t, "alice: "+text, line)
				heard++
			}
		}
	}
	alice.skips(unlinked)
}

// Send does not wait for NATS: frames that it does not take are lost, and that is logged.
func TestNATSHangsForSender(t *testing.T) {
	port, hang := hanging(t, startNATS(t, -1).Addr())
	log := frameworktest.NewLog()
	bus, linked, err := natsbus.Driver{}.Open(address(port), cluster.Station{
		ID: "00000000000000bb", Log: log.Logger(),
		Receive: func([]byte) {}, Linked: func(bool) {}, Join: func() error { return nil },
	})
	require.NoError(t, err)
	require.True(t, linked)
	hang()
	for frame := make([]byte, 16<<10); !strings.Contains(log.String(), " lost"); {
		bus.Say("X", frame)
	}
	require.Contains(t, log.String(), "[ERROR] messages for other servers are lost")
	require.NoError(t, bus.Close())
}

// Frames that are lost because they are not taken in time are an error in the log.
func TestSlowReceiver(t *testing.T) {
	at := port(startNATS(t, -1))
	log, stuck := frameworktest.NewLog(), make(chan struct{})
	bus, linked, err := natsbus.Driver{}.Open(address(at), cluster.Station{
		ID: "00000000000000bb", Log: log.Logger(),
		Receive: func([]byte) { <-stuck }, Linked: func(bool) {}, Join: func() error { return nil },
	})
	require.NoError(t, err)
	require.True(t, linked)
	s := newForeigner(t, at, "")
	for range 10_000 {
		require.NoError(t, s.Publish("socketserver.chat.test.room.X", []byte("x")))
	}
	log.Await(t, "[ERROR] messages from other servers are lost")
	close(stuck)
	require.NoError(t, bus.Close())
}

// A message that exceeds max_payload is logged, and its sender is told. Rooms of any size are
// announced in parts that fit.
func TestMaxPayload(t *testing.T) {
	at := port(startNATS(t, -1, func(o *server.Options) { o.MaxPayload = 2048 }))
	one, log := serve(t, options(at), &framework.Threading{})
	two, _ := serve(t, options(at), &framework.Threading{})
	alice, carol := enter(t, one, "alice"), enter(t, one, "carol")
	bob := enter(t, two, "bob", alice, carol)
	meet(alice, carol, bob)
	const tooLong = "-- your message is too long for other servers; only users at this one received it\n"
	for _, text := range []string{strings.Repeat("x", 2000), strings.Repeat("你", 600), "/me " + strings.Repeat("x", 5000)} {
		alice.say(text)
		alice.hears(tooLong)
		carol.skips("\n")
	}
	alice.say("/msg bob " + strings.Repeat("x", 2000))
	alice.hears("-- the message is too long for other servers, and bob is at one\n")
	alice.say("short")
	bob.hears("alice: short\n")
	log.Await(t, "[ERROR] messages for other servers are lost: they exceed max_payload of the NATS server")
	require.Contains(t, log.String(), "max_payload=2048")
	there := []*client{bob} // whose server has to have announced him before anybody asks for names
	for i := range 5 {
		there = append(there, enter(t, one, fmt.Sprint("c", i)))
	}
	three, _ := serve(t, options(at), &framework.Threading{}) // learns of users only by the announcements
	dave := enter(t, three, "dave", there...)
	meet(append(there, dave)...)
	dave.say("/names")
	dave.skips("-- in the room lobby: alice, bob, c0, c1, c2, c3, c4, carol, dave\n")
}

// A user who may not subscribe or publish is not linked, and the log names the subject.
func TestRefusedSubject(t *testing.T) {
	deny := func(subject string) *server.SubjectPermission {
		return &server.SubjectPermission{Deny: []string{subject}}
	}
	for name, refused := range map[string]*server.Permissions{
		"subscribe":    {Subscribe: deny("socketserver.chat.>")},
		"subscribe to": {Subscribe: deny("socketserver.chat.test.to.>")},
		"publish":      {Publish: deny("socketserver.chat.>")},
		"publish all":  {Publish: deny("socketserver.chat.test.room.*")},
		"publish to":   {Publish: deny("socketserver.chat.test.to.*")},
		"another tree": {Publish: &server.SubjectPermission{Allow: []string{"socketserver.chat.other.>"}}},
	} {
		t.Run(name, func(t *testing.T) {
			at := port(startNATS(t, -1, func(o *server.Options) {
				o.Username, o.Password = "", ""
				o.Users = []*server.User{{Username: "user", Password: "secret", Permissions: refused}}
			}))
			s, log := serve(t, options(at), &framework.Threading{})
			alice := dial(t, s)
			alice.skips("/help lists the commands\n")
			alice.hears(unlinked)
			log.Await(t, "[ERROR] NATS refuses a subject of the bus; rooms are not linked to other servers")
			require.Contains(t, log.String(), "allow the NATS user to publish and subscribe to socketserver.chat.test.>")
			require.NotContains(t, log.String(), "rooms are linked")
		})
	}
}

// The log says why a bus cannot be reached.
func TestUnreachableIsExplained(t *testing.T) {
	gone := startNATS(t, -1)
	nothing := port(gone)
	natstest.Stop(gone)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	locked := port(startNATS(t, -1, func(o *server.Options) { o.Password = "another" }))
	for address, reason := range map[string]string{
		address(nothing): "connection refused",
		address(locked):  "Authorization Violation",
		address(silent.Addr().(*net.TCPAddr).Port): "timeout",
		"nats://nats.invalid:4222":                 "nats.invalid",
	} {
		log := frameworktest.NewLog()
		bus, linked, err := natsbus.Driver{}.Open(address, cluster.Station{
			ID: "00000000000000bb", Log: log.Logger(),
			Receive: func([]byte) {}, Linked: func(bool) {}, Join: func() error { return nil },
		})
		require.NoError(t, err)
		require.False(t, linked)
		require.Contains(t, log.String(), "[WARN]  the bus cannot be reached; rooms are not linked to other servers until it can")
		require.Contains(t, log.String(), reason)
		require.NotContains(t, log.String(), "<nil>")
		require.NoError(t, bus.Close())
	}
}
