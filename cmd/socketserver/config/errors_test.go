package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

func TestErrors(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"concurrency", server(tcp + `concurrency "treading" {}` + "\n" + echo), `3:13: server "s": there is no concurrency "treading"; did you mean "threading"?`},
		{"concurrency by its beginning", server(tcp + `concurrency "fork" {}` + "\n" + echo), `3:13: server "s": there is no concurrency "fork"; did you mean "forking"?`},
		{"no workers", server(tcp + "concurrency \"preforking\" { workers = 0 }\n" + echo), `3:38: server "s": concurrency "preforking": workers: 0 is out of range; write a whole number from 1 to 1024`},
		{"more workers than connections", server(tcp + "concurrency \"preforking\" { workers = 3 }\n" + echo + "\nlimits { connections = 2 }"), `3:38: server "s": concurrency "preforking": workers is 3 and limits.connections only 2; lower workers or raise limits.connections`},
		{"state and preforking", server(tcp + `concurrency "preforking" {}` + "\n" + `handler "room" {}`), `3:1: server "s": handler "room": "preforking" makes no sense for it, as it keeps its members in memory, and what a request changes in its own process no other request sees; use concurrency "threading", or write isolated_state = true if each process may have its own; a handler that keeps it in Request.State has the same in all of them`},
		{"concurrency without a word", server(tcp + "concurrency {}\n" + echo), `3:1: server "s": concurrency has no name; write it as in concurrency "threading" { ... }`},
		{"concurrency with two words", server(tcp + `concurrency "threading" "forking" {}` + "\n" + echo), `3:25: server "s": concurrency has more than one name; remove this one`},
		{"concurrency twice", server(tcp + threading + threading + echo), `4:1: server "s": there is a second concurrency block; the first is in line 3; leave one of them`},
		{"no concurrency", server(tcp + echo), `1:1: server "s": there is no concurrency; add concurrency "threading" {}, or "synchronous", "forking" or "preforking"`},
		{"no transport", server(threading + echo), `1:1: server "s": there is no transport; add one, as in transport "tcp" { address = "localhost:9000" }`},
		{"no handler", server(tcp + threading), `1:1: server "s": there is no handler and no plugin; add one, as in handler "echo" {}`},
		{"handler and plugin", server(tcp + threading + echo + `plugin "shout" {}`), `5:1: server "s": there is a second handler or plugin; the first is in line 4; leave one of them`},
		{"transport", server(`transport "tpc" { address = ":1" }` + "\n" + threading + echo), `2:11: server "s": there is no transport "tpc"; did you mean "tcp"?`},
		{"mistyped block", server(`transprt "tcp" { address = ":1" }` + "\n" + threading + echo), `2:1: server "s": there is no block "transprt" here; did you mean "transport"?`},
		{"vsock", server(`transport "vsock" { address = "9000" }` + "\n" + threading + echo), `2:31: server "s": transport "vsock": address: "9000" is no address of VSOCK, which has a context identifier and a port; write CID:port, as in "any:9000" for the clients of every address, or "local:9000"`},
		{"multipath of a Unix socket", server("transport \"unixpacket\" {\n  address = \"s\"\n  multipath = true\n}\n" + threading + echo), `4:3: server "s": transport "unixpacket": multipath is for "tcp" and "websocket"; remove it, or change the word`},
		{"handler", server(tcp + threading + `handler "ehco" {}`), `4:1: server "s": there is no handler "ehco"; did you mean "echo"?`},
		{"handler that is a plugin", server(tcp + threading + `handler "shout" {}`), `4:1: server "s": there is no handler "shout"; there is a plugin of that name: write plugin "shout"`},
		{"directory of a process", server(tcp + "concurrency \"forking\" {}\n" + echo + "process {\n  directory = \"/nonexistent\"\n}"), `6:15: server "s": process: directory: there is no directory /nonexistent; make it, or correct the path`},
		{"file as directory", server(tcp + "concurrency \"forking\" {}\n" + echo + "process { directory = \"/dev/null\" }"), `5:23: server "s": process: directory: /dev/null is not a directory; name a directory`},
		{"spares", server(tcp + "concurrency \"forking\" {\n  max_children = 2\n  spares = 3\n}\n" + echo), `5:12: server "s": concurrency "forking": spares is 3 and max_children only 2; lower spares or raise max_children`},
		{"attribute of another word", server(tcp + "concurrency \"threading\" { max_children = 2 }\n" + echo), `3:27: server "s": concurrency "threading": max_children is for "forking"; remove it, or change the word`},
		{"isolated state without processes", server(tcp + "concurrency \"threading\" { isolated_state = true }\n" + echo), `3:27: server "s": concurrency "threading": isolated_state is for "distributed", "forking" and "preforking"; remove it, or change the word`},
		{"unknown attribute", server("transport \"tcp\" {\n  addrss = \":1\"\n  address = \":1\"\n}\n" + threading + echo), `3:3: server "s": transport "tcp": there is no attribute "addrss" here; did you mean "address"?`},
		{"unknown block", server(tcp + threading + echo + "limit {}"), `5:1: server "s": there is no block "limit" here; did you mean "limits"?`},
		{"block as attribute", server(tcp + threading + echo + "limits = {}"), `5:1: server "s": limits is a block; write limits { ... }, without =`},
		{"attribute as block", server("transport \"tcp\" {\n  address = \":1\"\n  no_delay {}\n}\n" + threading + echo), `4:3: server "s": transport "tcp": no_delay is an attribute; write no_delay = ...`},
		{"top level", "sever \"s\" {}\n" + server(tcp+threading+echo), `1:1: there is no block "sever" here; did you mean "server"?`},
		{"limits twice", server(tcp + threading + echo + "limits {}\nlimits {}"), `6:1: server "s": there is a second limits block; the first is in line 5; leave one of them`},
		{"server without a name", "server {}\n" + server(tcp+threading+echo), `1:1: server has no name; write it as in server "echo" { ... }`},
		{"bad name", "server \"../s\" {\n" + tcp + threading + echo + "}", `1:8: server "../s": this cannot be a name; begin with a letter or digit, and go on with those, blanks, dots, dashes and underscores, at most 64`},
		{"stream handler on datagrams", server(`transport "udp" { address = ":1" }` + "\n" + threading + `handler "greet" {}`), `2:29: server "s": transport "udp": handler "greet" serves "tcp" and "unix" only; use another handler, or another transport`},
		{"state and forking", server(tcp + `concurrency "forking" {}` + "\n" + `handler "room" {}`), `3:1: server "s": handler "room": "forking" makes no sense for it, as it keeps its members in memory, and what a request changes in its own process no other request sees; use concurrency "threading", or write isolated_state = true if each process may have its own; a handler that keeps it in Request.State has the same in all of them`},
		{"unknown option", server(tcp + threading + "handler \"greet\" {\n  greting = 1\n}"), `5:3: server "s": handler "greet": option "greting": there is no such option; did you mean "greeting"?`},
		{"type of option", server(tcp + threading + "handler \"greet\" {\n  greeting = 1\n}"), `5:3: server "s": handler "greet": option "greeting": is a number where a string is wanted, as in greeting = ""`},
		{"value of option", server(tcp + threading + "handler \"greet\" {\n  requests = -1\n}"), `5:3: server "s": handler "greet": option "requests": is negative; write 0 for no limit`},
		{"block as option", server(tcp + threading + "handler \"greet\" {\n  tags {}\n}"), `5:3: server "s": handler "greet": options are attributes, and tags is a block; write tags = { ... }`},
		{"infinite option", server(tcp + threading + "handler \"greet\" {\n  requests = [pow(10, 1000)]\n}"), `5:14: server "s": handler "greet": requests: this value cannot be passed to a handler; write a number, text, a list or a map`},
		{"variable", server(tcp + threading + "handler \"greet\" {\n  greeting = hello\n}"), `5:14: server "s": handler "greet": greeting: there is no variable "hello"; write text in quotes, as in "hello"`},
		{"word for a boolean", server(tcp + threading + echo + "access_log = no"), `5:14: server "s": access_log: there is no variable "no"; write true or false, or text in quotes, as in "no"`},
		{"function", server(tcp + threading + "handler \"greet\" {\n  greeting = uper(\"a\")\n}"), `5:14: server "s": handler "greet": greeting: call to unknown function; there is no function named "uper". Did you mean "upper"?`},
		{"environment", server(tcp + threading + "handler \"greet\" {\n  greeting = env(\"SOCKETSERVER_NOT_SET\")\n}"), `5:14: server "s": handler "greet": greeting: env(): the environment variable "SOCKETSERVER_NOT_SET" is not set; set it before starting, or write the value here`},
		{"file", server(tcp + threading + "handler \"greet\" {\n  greeting = file(\"not.there\")\n}"), `5:14: server "s": handler "greet": greeting: file(): not.there: there is no such file or directory; check the path, or write the file`},
		{"missing quote", server(tcp + "concurrency \"threading {}\n" + echo), `3:26: the text has no end; close it with " in the same line; \n stands for a newline`},
		{"address without quotes", server("transport \"tcp\" { address = localhost:9100 }\n" + threading + echo), `2:29: text needs quotation marks; write "localhost:9100"`},
		{"address without quotes in a line of its own", server("transport \"tcp\" {\n  address = :9100\n}\n" + threading + echo), `3:13: text needs quotation marks; write ":9100"`},
		{"path without quotes", server("transport \"unix\" {\n  address = /run/x.socket # here\n}\n" + threading + echo), `3:13: text needs quotation marks; write "/run/x.socket"`},
		{"duration without quotes", server(tcp + threading + echo + "timeouts { idle = 2m }"), `5:19: text needs quotation marks; write "2m"`},
		{"words without quotes", server(tcp + threading + echo + "limits {\n  banner = too many\n}"), `6:12: text needs quotation marks; write "too"`},
		{"two attributes in a line", server(tcp + threading + echo + "limits { connections = 3 per_source = 2 }"), `5:26: a line has one attribute; write each attribute in a line of its own`},
		{"call not closed", server(tcp + threading + "handler \"greet\" {\n  greeting = upper(\"a\"\n}"), `6:1: missing argument separator; A comma is required to separate each function argument from the next`},
		{"directives not closed", "a = [\"%{if true}\"]\n", `1:17: unexpected end of template; the if directive at servers.hcl:1,7-17 is missing its corresponding endif directive`},
		{"not closed", "server \"s\" {\n" + tcp, `1:12: the block has no }; write one at its end`},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, strings.Join(problems(t, c.src), "\n"))
		})
	}
}

// A syntax error is explained by the mistake that it comes from.
func TestCommonMistakes(t *testing.T) {
	block := func(name string) string { return strings.Replace(server(tcp+threading+echo), `"s"`, `"`+name+`"`, 1) }
	three := func(old, text string) string {
		return block("a") + strings.Replace(block("b"), old, text, 1) + block("c")
	}
	const example = `; write blocks, as in server "echo" { ... }, which has the blocks transport "tcp" { address = "localhost:9000" }, concurrency "threading" {} and handler "echo" {}, each in a line of its own`
	for src, want := range map[string]string{
		three("\n}\n", ""): `11:1: server of line 7 has no }; write one before this line`,
		three("address = \"localhost:9000\" }", "\n"):              `10:1: transport of line 8 has no }; write one before this line`,
		three("\"localhost:9000\" }", "\"localhost:9000\""):        `8:45: the block has no }; write } at the end of this line, or the attribute in a line of its own`,
		three(echo, "handler \"greet\" {\n tags = {\n a = 1\n}\n"): `16:1: server of line 7 has no }; write one before this line`,
		three(echo, "process {\n limits {\n files = 64\n}\n"):      `16:1: server of line 7 has no }; write one before this line`,
		three("\n}\n", "\npage {}\n"):                              `12:1: server of line 7 has no }; write one before this line`,
		three(echo, "process\n"+echo):                              `10:1: process is a block; write process { ... }`,
		block("a") + "stray\n" + block("b"):                        `7:1: stray is neither an attribute nor a block; write stray = and its value, or remove it`,
		block("a") + "server \"b\" {\n" + tcp:                      `7:12: the block has no }; write one at its end`,
		block("a") + "}\n" + block("b"):                            `7:1: there is no block that this } could close; remove it, or the one that closes a block too early`,

		three(`"localhost:9000"`, `'localhost:9000'`): `8:29: text needs double quotation marks; write "localhost:9000"`,
		three(`"localhost:9000"`, `“localhost:9000”`): `8:29: text needs double quotation marks; write "localhost:9000"`,
		three(`"threading"`, `'threading'`):           `9:13: text needs double quotation marks; write "threading"`,
		three(`{}`, `{ framing = 'it' }`):             `9:37: text needs double quotation marks; write "it"`,
		three(`:9000"`, `:9000`):                      `8:46: the text has no end; close it with " in the same line; \n stands for a newline`,

		three(`"b" {`, "\"b\"\n{"):                       `7:11: the { of a block belongs to the line of its name; write server "b" {`,
		three(`"threading" {}`, "\"threading\"\n\n  {}"): `9:24: the { of a block belongs to the line of its name; write concurrency "threading" {`,

		three(`address =`, `address:`):                                              `8:19: an attribute is set with =; write address = "localhost:9000"`,
		three(`address =`, `address ==`):                                            `8:19: an attribute is set with =; write address = "localhost:9000"`,
		three(`address =`, `address`):                                               `8:19: an attribute is set with =; write address = "localhost:9000"`,
		three(`{ address = "localhost:9000" }`, "{\n  address: localhost:9000,\n}"): `9:3: an attribute is set with =; write address = "localhost:9000"`,
		three(`"echo" {}`, "\"echo\" {}\nlimits {\n connections: 3\n}"):             `12:2: an attribute is set with =; write connections = 3`,
		three(`"b" {`, `"b": {`):                                                    `7:1: server is a block; write server "b" {`,
		three(`server "b" {`, `server = "b" {`):                                     `7:1: server is a block; write server "b" {`,
		three(`" }`, `"; }`):                                                        `8:45: no line ends with ";"; remove it`,
		three(`"threading" {}`, `"threading" {},`):                                  `9:27: no line ends with ","; remove it`,

		three(`"threading" {}`, `"threading"`):               `9:1: concurrency is a block; write concurrency "threading" { ... }`,
		three(`"echo" {}`, "\"echo\" {}\nlimits:"):           `11:1: limits is a block; write limits { ... }`,
		three(`"echo" {}`, "\"echo\" {\n a = true b = 1\n}"): `11:11: a line has one attribute; write each attribute in a line of its own`,
		three("handler", "/* handler"):                       `10:1: the comment has no end; close it with */`,

		three(`"echo" {}`, "\"echo\" {}\nlimits { connections = 3, rate = \"2/s\" }"):     `11:27: a line has one attribute; write each attribute in a line of its own`,
		three(`"echo" {}`, "\"echo\" {}\nlimits { connections = 3; rate = \"2/s\" }"):     `11:27: a line has one attribute; write each attribute in a line of its own`,
		three(`"echo" {}`, "\"echo\" {}\naccess { allow = [\"::1\"], deny = [\"::2\"] }"): `11:27: a line has one attribute; write each attribute in a line of its own`,
		three(`"echo" {}`, "\"echo\" {}\nprocess { limits { cpu = \"5s\" } }"):            `11:11: the block limits is in the line of another one; write it in a line of its own`,
		three(`"echo" {}`, "\"echo\" {}\nprocess { sandbox { network = true } }"):         `11:11: the block sandbox is in the line of another one; write it in a line of its own`,
		three(`:9000" }`, ":9000\" tls { certificate = \"a.pem\" } }"):                    `8:46: the block tls is in the line of another one; write it in a line of its own`,
		three(`"threading" {}`, `"threading" {} limits {}`):                               `9:28: the block limits is in the line of another one; write it in a line of its own`,
		block("a") + `plugin "hi" { option "name" { default = "x" } }`:                    `7:15: the block option is in the line of another one; write it in a line of its own`,

		"\n# c\n{\"server\": {}}\n":                    `the file is JSON instead of HCL` + example,
		"[1]{":                                         `the file is JSON instead of HCL` + example,
		"[Socket]\nListenStream=9000\n":                `the file is INI or TOML instead of HCL` + example,
		"servers:\n  - a\n":                            `the file is YAML instead of HCL` + example,
		"---\na: 1\n":                                  `the file is YAML instead of HCL` + example,
		"<?xml version=\"1.0\"?>\n":                    `the file is XML instead of HCL` + example,
		"example.com {\n\tfile_server\n}\n":            `this is no configuration of socketserver, as it begins with "example.com"` + example,
		":8080 {\n}\n":                                 `this is no configuration of socketserver, as it begins with ":8080"` + example,
		"http {\n  server {\n    listen 80;\n  }\n}\n": `this is no configuration of socketserver, as it begins with "http"` + example,
		"frontend www\n  bind *:80\n":                  `this is no configuration of socketserver, as it begins with "frontend"` + example,
		"service echo\n{\n  disable = no\n}\n":         `this is no configuration of socketserver, as it begins with "service"` + example,
		"sever \"a\"\n{\n}\n":                          `1:10: the { of a block belongs to the line of its name; write sever "a" {`,

		server(strings.Replace(tcp, `"localhost:9000"`, `env("PORT", "1")`, 1) + threading + echo): `2:42: server "s": transport "tcp": address: env(): too many function arguments; write env("NAME"), and set the variable before starting: there is no default`,
	} {
		t.Run(src, func(t *testing.T) { require.Equal(t, want, strings.Join(problems(t, src), "\n")) })
	}
}

func TestErrorsOfAttributes(t *testing.T) {
	for attribute, want := range map[string]string{
		`transport.tcp.address = "localhost"`:                         `"localhost" has no port; write "localhost:9000"`,
		`transport.tcp.address = "9000"`:                              `"9000" has no host; write "localhost:9000", or ":9000" for every address`,
		`transport.tcp.address = ""`:                                  `the address is empty; write host:port, as in "localhost:9000", or ":9000" for every address`,
		`transport.tcp.address = null`:                                `the address is null; write one`,
		`transport.tcp.address = ":99999"`:                            `"99999" in ":99999" is not a port; write a number from 0 to 65535 after the colon; 0 takes a free port`,
		`transport.tcp.address = ":http"`:                             `"http" in ":http" is not a port; write ":80"`,
		`transport.tcp.address = "x:nosuch"`:                          `"nosuch" in "x:nosuch" is not a port; write a number from 0 to 65535 after the colon; 0 takes a free port`,
		`transport.tcp.address = "::1:80"`:                            `it is not clear where the port of "::1:80" begins; write IPv6 in brackets, with a port, as in "[::1]:9000"`,
		`transport.tcp.address = "tcp://:80"`:                         `"tcp://:80" is a URL, as for the command line; write host:port, as in "localhost:9000"`,
		`transport.tcp.address = "a b:80"`:                            `"a b" in "a b:80" is not a host; write a name or an address, as in "localhost:9000" or "[::1]:9000"`,
		`transport.unix.address = ""`:                                 `the address is empty; write the path of the socket`,
		`transport.tcp.address = [":80"]`:                             `this is a list; write text in quotes`,
		`transport.tcp.request_queue_size = -1`:                       `-1 is out of range; write a whole number from 1 to 65535`,
		`transport.tcp.request_queue_size = "many"`:                   `this is text; write a whole number from 1 to 65535`,
		`transport.tcp.request_queue_size = 1.5`:                      `this number does not fit; write a whole number from 1 to 65535`,
		`transport.tcp.read_buffer = 15`:                              `15 is out of range; write a whole number from 16 to 16777216`,
		`transport.tcp.read_buffer = 16777217`:                        `16777217 is out of range; write a whole number from 16 to 16777216`,
		`transport.tcp.write_buffer = -1`:                             `-1 is out of range; write a whole number from 0 to 16777216`,
		`transport.tcp.no_delay = "maybe"`:                            `this is text; write true or false`,
		`transport.tcp.keep_alive = "soon"`:                           `"soon" is not a duration; write it as in "2m", "1.5s" or "500ms", or "0" for none`,
		`transport.tcp.keep_alive = 15`:                               `"15" is not a duration; write it as in "2m", "1.5s" or "500ms", or "0" for none`,
		`transport.tcp.keep_alive = "-1s"`:                            `"-1s" is negative; write it as in "2m", "1.5s" or "500ms", or "0" for none`,
		`transport.udp.max_packet_size = 65508`:                       `65508 is out of range; write a whole number from 1 to 65507`,
		`transport.unix.mode = "0888"`:                                `"0888" is not an octal mode from 0001 to 0777; write it as in "0600" (this user) or "0660" (its group, too)`,
		`concurrency.threading.max_threads = -1`:                      `-1 is out of range; write a whole number from 0 to 1000000`,
		`concurrency.forking.max_children = 0`:                        `0 is out of range; write a whole number from 1 to 1000000`,
		`concurrency.forking.max_requests = 1000000000000000000000`:   `this number does not fit; write a whole number from 1 to 1000000`,
		`transport.unix.address = "` + strings.Repeat("a", 108) + `"`: `the path has 108 bytes, and a socket's has at most 107; choose a shorter path`,
	} {
		t.Run(attribute, func(t *testing.T) {
			path, value, _ := strings.Cut(attribute, " = ")
			parts := strings.Split(path, ".")
			block, label, name := parts[0], parts[1], parts[2]
			src := server(map[string]string{
				"transport":   block + ` "` + label + "\" {\n" + name + " = " + value + "\n" + map[bool]string{true: `address = ":1"`}[name != "address" && label != "unix"] + map[bool]string{true: `address = "s"`}[name != "address" && label == "unix"] + "\n}\n" + threading + echo,
				"concurrency": tcp + block + ` "` + label + "\" {\n" + name + " = " + value + "\n}\n" + echo,
			}[block])
			got := problems(t, src)
			require.Len(t, got, 1)
			_, got[0], _ = strings.Cut(got[0], ": ")
			require.Equal(t, `server "s": `+block+` "`+label+`": `+name+": "+want, got[0])
		})
	}
}

func TestNotAvailableYet(t *testing.T) {
	src := `server "s" {
  transport "tcp" {
    address = ":1"
  }
  transport "unix" {
    address = "s"
    owner = "x"
    group = "x"
  }
  concurrency "forking" {}
  handler "echo" {}
}
`
	got := problems(t, src)
	require.Len(t, got, 2)
	for _, line := range got {
		require.Contains(t, line, "is not available yet; ")
	}
}

// What cannot give way to another process, or may not, is not replaced by itself.
func TestReplacingThatCannotBe(t *testing.T) {
	const state, each = "keeps its members in memory, and a process that takes its place by itself would begin without it", "each of them has one of its own; remove recycle"
	for _, c := range []struct{ plugin, concurrency, how, want string }{
		{"go", "threading", "recycle { requests = 1 }", ""},
		{"go", "preforking", "recycle { requests = 1 }", ""},
		{"go", "forking", "recycle { requests = 1 }", each},
		{"go", "forking", "replace { automatic = true }", ""},
		{"forks", "forking", "recycle { requests = 1 }", ""},
		{"shout", "threading", "recycle { requests = 1 }", each},
		{"shout", "threading", "replace { automatic = true }", ""},
		{"room", "threading", "recycle { requests = 1 }", state},
		{"room", "threading", "replace { automatic = true }", state},
		{"room", "threading", "replace { split = true }\nrecycle { requests = 1 }", ""},
	} {
		src := fmt.Sprintf("plugin %[1]q {\n%[2]s\n}\n%[3]s", c.plugin, c.how, server(tcp+fmt.Sprintf("concurrency %q {}\nplugin %q {}", c.concurrency, c.plugin)))
		_, err := config.Parse("servers.hcl", []byte(src), catalog)
		if c.want == "" {
			require.NoError(t, err, c)
			continue
		}
		require.ErrorContains(t, err, c.want, c)
	}
}

func TestClashes(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		clash bool
	}{
		{`tcp localhost:1`, `tcp 127.0.0.1:1`, true},
		{`tcp localhost:1`, `tcp [::1]:1`, true},
		{`tcp localhost:1`, `udp localhost:1`, false},
		{`tcp localhost:1`, `tcp localhost:2`, false},
		{`tcp localhost:0`, `tcp localhost:0`, false},
		{`tcp :1`, `tcp 127.0.0.1:1`, true},
		{`tcp [::1]:1`, `tcp :1`, true},
		{`tcp :1`, `tcp 0.0.0.0:1`, true},
		{`tcp 0.0.0.0:1`, `tcp [::1]:1`, false},
		{`tcp 0.0.0.0:1`, `tcp [::]:1`, false},
		{`tcp 127.0.0.1:1`, `tcp 127.0.0.2:1`, false},
		{`tcp [::ffff:127.0.0.1]:1`, `tcp 127.0.0.1:1`, true},
		{`tcp Example.org:1`, `tcp example.org.:1`, true},
		{`tcp example.org:1`, `tcp example.com:1`, false},
		{`tcp example.org:1`, `tcp [::]:1`, true},
		{`unix a/s`, `unixgram ./b/../a/s`, true},
		{`unix a/s`, `unix a/t`, false},
		{`unix @a`, `unix @a`, true},
	} {
		t.Run(c.a+" and "+c.b, func(t *testing.T) {
			for _, together := range []bool{true, false} {
				transport := func(s string) string {
					network, address, _ := strings.Cut(s, " ")
					return `transport "` + network + `" { address = "` + address + `" }` + "\n"
				}
				src := server(transport(c.a) + transport(c.b) + threading + echo)
				if !together {
					src = server(transport(c.a)+threading+echo) + strings.Replace(server(transport(c.b)+threading+echo), `"s"`, `"s2"`, 1)
				}
				_, err := config.Parse("servers.hcl", []byte(src), catalog)
				if !c.clash {
					require.NoError(t, err)
					continue
				}
				require.Len(t, linesOf(t, err), 1)
				require.Contains(t, err.Error(), "is taken by")
			}
		})
	}
}

func TestEveryErrorAtOnce(t *testing.T) {
	_, err := config.Parse("servers.hcl", []byte(`server "timestamp" {
	transport "tcp" { address = "localhost" }
	transport "udp" { address = "中文 \u001b31m:1" }
  concurrency "treading" {}
  handler "greet" { greting = 1 }
}
`), catalog)
	require.Equal(t, `servers.hcl:2:30: server "timestamp": transport "tcp": address: "localhost" has no port; write "localhost:9000"
    	transport "tcp" { address = "localhost" }
    	                            ^
servers.hcl:3:30: server "timestamp": transport "udp": address: "中文 \x1b31m" in "中文 \x1b31m:1" is not a host; write a name or an address, as in "localhost:9000" or "[::1]:9000"
    	transport "udp" { address = "中文 \u001b31m:1" }
    	                            ^
servers.hcl:4:15: server "timestamp": there is no concurrency "treading"; did you mean "threading"?
      concurrency "treading" {}
                  ^
servers.hcl:5:21: server "timestamp": handler "greet": option "greting": there is no such option; did you mean "greeting"?
      handler "greet" { greting = 1 }
                        ^`, report(err))
}

func TestExcerptOfALongLine(t *testing.T) {
	long := strings.Repeat("x", 1000)
	_, err := config.Parse("servers.hcl", []byte("/* "+long+" */ 世 = \x1b # "+long), catalog)
	lines := strings.Split(report(err), "\n")
	require.Len(t, lines, 3)
	require.Less(t, len(lines[1]), 250)
	require.NotContains(t, lines[1], "\x1b")
	require.Contains(t, lines[1], `世 = \x1b # xxx`)
	require.Equal(t, strings.Index(lines[2], "^"), len([]rune(lines[1][:strings.Index(lines[1], `\x1b`)]))+1, "世 is two columns wide")
}

func TestManyErrors(t *testing.T) {
	_, err := config.Parse("servers.hcl", []byte(strings.Repeat("a = 1\n", 3)+strings.Repeat("b {}\n", 50)), catalog)
	require.Contains(t, err.Error(), "redefined")
	_, err = config.Parse("servers.hcl", []byte(strings.Repeat("b {}\n", 50)), catalog)
	require.Len(t, linesOf(t, err), 50)
	require.True(t, strings.HasSuffix(err.Error(), "^\nand 30 more"), err)
}

func TestNotARegularFile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "d.hcl"), 0o755))
	_, err := config.Load(dir, catalog)
	require.ErrorContains(t, err, "it is not a regular file; name a file that has its text, or move this one elsewhere")
	_, err = config.Parse("servers.hcl", []byte(server(tcp+threading+`handler "greet" { greeting = file("/dev/zero") }`)), catalog)
	require.ErrorContains(t, err, "file(): /dev/zero: it is not a regular file; name a file")
}
