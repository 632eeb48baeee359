package config_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

func included(name string) string {
	return fmt.Sprintf(`server %[1]q {
	transport "unix" { address = "%[1]s.sock" }
	concurrency "threading" {}
	handler "echo" {}
}
`, name)
}

func TestInclude(t *testing.T) {
	dir := tree(t, map[string]string{
		"servers.hcl":       "include = [\"conf.d/*.hcl\", \"none/*.hcl\", \"conf.d/a.hcl\"]\nreload { watch = true }\n" + included("main"),
		"conf.d/a.hcl":      included("a"),
		"conf.d/b.hcl":      "include = [\"more/c.hcl\"]\nadmin { socket = \"x.sock\" }\n" + included("b"),
		"conf.d/more/c.hcl": included("c"),
	})
	c, err := config.Load(filepath.Join(dir, "servers.hcl"), catalog)
	require.NoError(t, err)
	var names []string
	for _, s := range c.Servers {
		names = append(names, s.Name+" "+s.Transports[0].Address)
	}
	require.Equal(t, []string{
		"main " + dir + "/main.sock", "a " + dir + "/conf.d/a.sock", "b " + dir + "/conf.d/b.sock", "c " + dir + "/conf.d/more/c.sock",
	}, names)
	require.True(t, c.Watch)
	require.Equal(t, dir+"/conf.d/x.sock", *c.Admin.Socket)
	require.Equal(t, []string{dir + "/servers.hcl", dir + "/conf.d/*.hcl", dir + "/conf.d/more/c.hcl", dir + "/none/*.hcl", dir + "/conf.d/a.hcl"}, c.Sources)
}

func TestWrongIncludes(t *testing.T) {
	for include, want := range map[string]string{
		`["b.hcl"]`:     "include: DIR/a.hcl includes DIR/b.hcl includes DIR/a.hcl, which is a cycle; remove one of them",
		`["a.hcl"]`:     "include: DIR/a.hcl includes DIR/a.hcl, which is a cycle; remove one of them",
		`["*.hcl"]`:     "include: DIR/a.hcl includes DIR/a.hcl, which is a cycle; remove one of them",
		`["none.hcl"]`:  "include: there is no file DIR/none.hcl; check the path, or write the file",
		`["[.hcl"]`:     `include: "DIR/[.hcl" is not a pattern; write it as in conf.d/*.hcl`,
		`["/dev/null"]`: "include: /dev/null is not a regular file; name files, as in conf.d/*.hcl",
		`"b.hcl"`:       `include: this is text; write a list of text, as in ["a", "b"]`,
		`[x]`:           `include: there is no variable "x"; write text in quotes, as in "x"`,
	} {
		t.Run(include, func(t *testing.T) {
			dir := tree(t, map[string]string{"a.hcl": "include = " + include + "\n" + included("a"), "b.hcl": `include = ["a.hcl"]`})
			t.Chdir(dir)
			_, err := config.Load("a.hcl", catalog)
			require.ErrorContains(t, err, strings.ReplaceAll(want, "DIR/", ""))
		})
	}
}

func TestDifference(t *testing.T) {
	old := parse(t, server(tcp+threading+`handler "greet" { requests = 1 }`))
	next := parse(t, server(tcp+`transport "unix" { address = "s" }
		concurrency "forking" {}
		handler "greet" {
			requests = 2
			greeting = "hi"
		}
		limits { connections = 200 }
		timeouts { idle = "2m" }`))
	require.Equal(t, []string{
		"concurrency threading -> forking", `greet.greeting "hi" added`, "greet.requests 1 -> 2", "limits.connections 1000 -> 200", "limits.per_source 64 -> 20",
		`timeouts.idle default -> "2m0s"`, "transport unix s added",
	}, next.Servers[0].Difference(old.Servers[0]))
	require.Empty(t, next.Servers[0].Difference(next.Servers[0]))
	same := server(`transport "tcp" {
		address = "localhost:9000"
		no_delay = false
	}` + "\n" + threading + `handler "greet" { requests = 1 }`)
	require.Equal(t, []string{"transport tcp localhost:9000.no_delay true -> false"}, parse(t, same).Servers[0].Difference(old.Servers[0]))
}

// What changes has the names and values of the file, and of a default that it is one: 0 is another value.
func TestDifferenceInWordsOfTheFile(t *testing.T) {
	in := func(transport, inside, rest string) *config.Server {
		return parse(t, server("transport \""+transport+"\" {\n  address = \""+map[bool]string{true: "s", false: ":0"}[transport == "unix"]+"\"\n  "+inside+"\n}\n"+threading+echo+rest)).Servers[0]
	}
	for _, c := range []struct {
		transport, inside, rest string
		want                    string
	}{
		{"tcp", "", `limits { when_full = "refuse" }`, `limits.when_full "wait" -> "refuse"`},
		{"tcp", "multipath = false", "", "transport tcp :0.multipath true -> false"},
		{"tcp", `keep_alive = "0"`, "", `transport tcp :0.keep_alive default -> "0s"`},
		{"tcp", "write_buffer = 0", "", "transport tcp :0.write_buffer default -> 0"},
		{"tcp", "request_queue_size = 7", "", "transport tcp :0.request_queue_size default -> 7"},
		{"unix", `mode = "0660"`, "", `transport unix s.mode default -> "0660"`},
		{"udp", "max_packet_size = 9", "", "transport udp :0.max_packet_size default -> 9"},
		{"tcp", `proxy_protocol { from = ["::1"] }`, "", "transport tcp :0.proxy_protocol added"},
		{"websocket", "message = \"binary\"\n  origins = [\"https://a.example\", \"*\"]", "", `transport websocket :0.message "text" -> "binary"|transport websocket :0.origins ["https://a.example", "*"] added`},
	} {
		plain, changed := in(c.transport, "", ""), in(c.transport, c.inside, c.rest)
		require.Equal(t, c.want, strings.Join(changed.Difference(plain), "|"))
	}
}

// Who may see what changes is not shown the passwords in it.
func TestDifferenceHasNoPassword(t *testing.T) {
	of := func(password string) *config.Server {
		return parse(t, server(counting+"state {\nbackend = \"nats\"\nurl = \"nats://u:"+password+"@a,nats://u:"+password+"@b\"\n}\n")).Servers[0]
	}
	require.Equal(t, []string{`state.url "nats://***@a,nats://***@b" -> "nats://***@a,nats://***@b"`}, of("canary").Difference(of("p@ss")))
}
