package config_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

const counting = tcp + threading + "handler \"count\" {}\n"

func TestStateOfServer(t *testing.T) {
	file := config.State{Backend: "file", Path: "state", Sync: time.Second, Bucket: "s"}
	nats := config.State{Backend: "nats", URL: "nats://a,tls://b:1", Credentials: "c.creds", Bucket: "s"}
	for _, c := range []struct {
		defaults, own string
		want          config.State
	}{
		{"", "", config.State{Backend: "memory"}},
		{"", `backend = "memory"`, config.State{Backend: "memory"}},
		{`backend = "file"` + "\n" + `path = "state"`, "", file},
		{`backend = "file"` + "\n" + `path = "other"`, `path = "state"`, file},
		{`backend = "file"` + "\n" + `path = "other"`, `backend = "memory"`, config.State{Backend: "memory"}},
		{"", `backend = "file"` + "\n" + `path = "/state"` + "\n" + `sync = "always"` + "\n" + `bucket = "b_1-X"`, config.State{Backend: "file", Path: "/state", Bucket: "b_1-X"}},
		{`backend = "file"` + "\n" + `path = "state"` + "\n" + `sync = "2m"`, "", config.State{Backend: "file", Path: "state", Sync: 2 * time.Minute, Bucket: "s"}},
		{`backend = "nats"` + "\n" + `url = "nats://a,tls://b:1"` + "\n" + `credentials = "c.creds"`, "", nats},
	} {
		src := server(counting)
		if c.own != "" {
			src = server(counting + "state {\n" + c.own + "\n}\n")
		}
		if c.defaults != "" {
			src += "defaults {\nstate {\n" + c.defaults + "\n}\n}\n"
		}
		require.Equal(t, &c.want, parse(t, src).Servers[0].State, src)
	}
	require.Nil(t, parse(t, server(tcp+threading+echo)).Servers[0].State, "echo uses none")
}

func TestStateErrors(t *testing.T) {
	state := func(attributes ...string) string {
		return server(counting + "state {\n" + strings.Join(attributes, "\n") + "\n}\n")
	}
	other := strings.Replace(server(counting), `"s"`, `"s two"`, 1)
	nats, file := `backend = "nats"`, `backend = "file"`
	for _, c := range []struct{ src, want string }{
		{state(`backend = "disk"`), `6:11: server "s": state: backend: "disk" is not known; there is "file", "memory" and "nats"`},
		{state(file), `6:11: server "s": state: there is no path; add path = "state"`},
		{state(nats), `6:11: server "s": state: there is no url; add url = "nats://localhost:4222"`},
		{state(`path = "state"`), `6:1: server "s": state: path is for "file", and the backend is "memory"; remove it, or change backend`},
		{state(file, `path = ""`), `7:8: server "s": state: path: the path is empty; write one, or remove the line`},
		{state(nats, `url = "nats://a"`, `credentials = ""`), `8:15: server "s": state: credentials: the path is empty; write one, or remove the line`},
		{state(file, `path = "state"`, `url = "nats://a"`), `8:1: server "s": state: url is for "nats", and the backend is "file"; remove it, or change backend`},
		{state(`bucket = "a"`), `6:1: server "s": state: bucket is for "file" and "nats", and the backend is "memory"; remove it, or change backend`},
		{state(file, `path = "state"`, `bucket = "a.b"`), `8:10: server "s": state: bucket: "a.b" cannot be the name of a bucket; write letters, digits, - and _, at most 64`},
		{state(file, `path = "state"`, `sync = "1ms"`), `8:8: server "s": state: sync: 1ms is too short; write "always", or at least "100ms"`},
		{state(file, `path = "state"`, `sync = "often"`), `8:8: server "s": state: sync: "often" is not a duration; write it as in "2m", "1.5s" or "500ms", or "0" for none`},
		{state(nats, `url = "http://a"`), `7:7: server "s": state: url: this is not a URL of NATS; write it as in "nats://localhost:4222", or "tls://nats.example.com"; several are separated by commas`},
		{state(nats, `url = "nats://a/b"`), `7:7: server "s": state: url: this URL has no host, or more than a host; write it as in "nats://localhost:4222", or "tls://nats.example.com"; several are separated by commas`},
		{state(nats, `urls = "nats://a"`), `7:1: server "s": state: there is no attribute "urls" here; did you mean "url"?`},
		{server(tcp + threading + echo + "\nstate {}\n"), `6:1: server "s": handler "echo": it keeps nothing in a state; remove the block`},
		{other + "defaults {\nstate {\n" + nats + "\nurl = \"nats://a\"\n}\n}\n", `1:1: server "s two": state: its bucket has the name of the server, and "s two" cannot be the name of a bucket; add state { bucket = "NAME" }, with letters, digits, - and _ alone`},
		{"defaults {\nstate {\n" + file + "\npath = \"state\"\nbucket = \"a\"\n}\n}\n" + server(counting), `5:1: defaults: state: a bucket is of one server; remove it; without it the bucket of a server has its name`},
		{state(file, `path = "state"`) + strings.Replace(state(file, `path = "./state"`, `bucket = "s"`), `"s"`, `"t"`, 1), `15:1: server "t": state: the bucket "s" is that of server "s"; choose another bucket`},
	} {
		assert.Contains(t, problems(t, c.src), c.want)
	}
}

// What a server keeps is beside the file that says so.
func TestStateIsBesideFile(t *testing.T) {
	c, err := config.Parse(filepath.Join("etc", "servers.hcl"), []byte(server(counting+"state {\nbackend = \"file\"\npath = \"state\"\n}\n")), catalog)
	require.NoError(t, err)
	require.Equal(t, filepath.Join("etc", "state"), c.Servers[0].State.Path)
}
