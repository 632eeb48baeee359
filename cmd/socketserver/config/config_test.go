package config_test

import (
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
)

func TestDefaults(t *testing.T) {
	c := parse(t, `
server "everything" {
  transport "tcp" { address = "localhost:21567" }
  transport "udp" { address = "localhost:21567" }
  transport "unix" { address = "run/s.sock" }
  transport "unixgram" { address = "@abstract" }
  concurrency "threading" {}
  handler "echo" {}
}
server "forks" {
  transport "tcp" { address = ":0" }
  concurrency "forking" {}
  plugin "shout" {}
}
`)
	require.Equal(t, "plugins", c.Plugins.Directory)
	s := c.Servers[0]
	require.Equal(t, []config.Transport{
		{Network: "tcp", Address: "localhost:21567"},
		{Network: "udp", Address: "localhost:21567"},
		{Network: "unix", Address: "run/s.sock"},
		{Network: "unixgram", Address: "@abstract"},
	}, placeless(s.Transports))
	require.Equal(t, config.Concurrency{Kind: "threading"}, s.Concurrency)
	require.Equal(t, config.Limits{Connections: 1000, PerSource: 64, Line: 64 << 10, Answers: 64 << 10}, s.Limits)
	require.Equal(t, framework.Timeouts{Idle: 2 * time.Minute, IdleIsDefault: true, Write: 10 * time.Second, Drain: 10 * time.Second, Handshake: 5 * time.Second}, s.Timeouts)
	require.Equal(t, config.Handler{Kind: "handler", Name: "echo", Options: []byte("{}"), Directory: "."}, s.Handler)
	require.NotNil(t, s.Class)

	s = c.Servers[1]
	require.Equal(t, config.Concurrency{Kind: "forking", MaxChildren: 40, MaxRequests: 1}, s.Concurrency)
	require.Equal(t, 20, s.Limits.PerSource, "half of max_children")
	require.Equal(t, "plugin", s.Handler.Kind)
}

// placeless returns transports without their places in the file.
func placeless(all []config.Transport) []config.Transport {
	all = slices.Clone(all)
	for i := range all {
		all[i].At = config.Place{}
	}
	return all
}

func TestEveryAttribute(t *testing.T) {
	c := parse(t, `
plugins { directory = "more/plugins" }
log {
  level  = "debug"
  format = "json"
}
server "all" {
  transport "tcp" {
    address            = "[::1]:9000"
    request_queue_size = 5
    read_buffer        = 16
    write_buffer       = 0
    reuse_port         = true
    no_delay           = false
    keep_alive         = "0"
  }
  transport "unixgram" {
    address         = "/run/s.sock"
    max_packet_size = 65507
    mode            = "0660"
  }
  concurrency "forking" {
    max_children   = 7
    spares         = 7
    max_requests   = 100
    isolated_state = true
  }
  handler "echo" {}
  limits {
    connections = 0
    per_source  = 1000
    when_full   = "refuse"
    banner      = "busy\n"
    line        = 1048576
    answers     = "1MiB/s"
  }
  timeouts {
    idle    = "0"
    read    = "1s"
    write   = "2s"
    request = "3s"
    drain   = "4s"
    handshake = "6s"
  }
}
`)
	require.Equal(t, config.Log{Level: "debug", Format: "json"}, c.Log)
	require.Equal(t, filepath.Join("more", "plugins"), c.Plugins.Directory)
	s := c.Servers[0]
	require.Equal(t, []config.Transport{
		{
			Network: "tcp", Address: "[::1]:9000", ReadBuffer: 16, WriteBuffer: -1,
			SocketOptions: framework.SocketOptions{RequestQueueSize: 5, ReusePort: true, Nagle: true, KeepAlive: -1},
		},
		{Network: "unixgram", Address: "/run/s.sock", SocketOptions: framework.SocketOptions{MaxPacketSize: 65507, Mode: 0o660}},
	}, placeless(s.Transports))
	require.Equal(t, config.Concurrency{Kind: "forking", MaxChildren: 7, Spares: 7, MaxRequests: 100, IsolatedState: true}, s.Concurrency)
	require.Equal(t, config.Limits{PerSource: 1000, Refuse: true, Banner: "busy\n", Line: 1 << 20, Answers: 1 << 20}, s.Limits)
	require.Equal(t, framework.Timeouts{Read: time.Second, Write: 2 * time.Second, Request: 3 * time.Second, Drain: 4 * time.Second, Handshake: 6 * time.Second}, s.Timeouts)
}

func TestIsolatedState(t *testing.T) {
	parse(t, server(tcp+"concurrency \"forking\" { isolated_state = true }\nhandler \"room\" {}"))
	parse(t, server(tcp+"concurrency \"preforking\" { isolated_state = true }\nhandler \"room\" {}"))
}

func TestWorkers(t *testing.T) {
	preforking := func(body string) config.Concurrency {
		return parse(t, server(tcp+echo+"concurrency \"preforking\" {"+body+"}")).Servers[0].Concurrency
	}
	require.Equal(t, config.Concurrency{Kind: "preforking", Workers: runtime.GOMAXPROCS(0)}, preforking(""))
	require.Equal(t, config.Concurrency{Kind: "preforking", Workers: 7}, preforking(" workers = 7 "))
}

func TestDefaultsBlock(t *testing.T) {
	c := parse(t, server(tcp+threading+echo+`
  limits { per_source = 9 }
  timeouts { read = "1s" }
`)+`
defaults {
  limits {
    connections = 5
    per_source = 3
  }
  timeouts {
    idle = "1h"
    read = "1h"
  }
}`)
	require.Equal(t, config.Limits{Connections: 5, PerSource: 9, Line: 64 << 10, Answers: 64 << 10}, c.Servers[0].Limits)
	require.Equal(t, time.Hour, c.Servers[0].Timeouts.Idle)
	require.False(t, c.Servers[0].Timeouts.IdleIsDefault)
	require.Equal(t, time.Second, c.Servers[0].Timeouts.Read)
	require.Equal(t, 10*time.Second, c.Servers[0].Timeouts.Write)
}

func TestPerSource(t *testing.T) {
	for concurrency, want := range map[string]int{
		`"synchronous" {}`:                                                     64,
		`"threading" { max_threads = 1000 }`:                                   64,
		`"threading" { max_threads = 10 }`:                                     5,
		`"threading" { max_threads = 1 }`:                                      1,
		`"forking" { max_children = 3 }`:                                       1,
		`"threading" {}` + "\nlimits { connections = 20 }":                     64,
		`"threading" {}` + "\nlimits {\nconnections = 20\nper_source = 64\n}":  64,
		`"threading" { max_threads = 10 }` + "\nlimits { connections = 20 }":   5,
		`"threading" { max_threads = 2 }` + "\nlimits {\nper_source = 9\n}":    9,
		`"synchronous" {}` + "\nlimits {\nconnections = 20\nper_source = 0\n}": 0,
		`"synchronous" {}` + "\nlimits {\nconnections = 1\nper_source = 64\n}": 64,
	} {
		c := parse(t, server(tcp+echo+"concurrency "+concurrency))
		require.Equal(t, want, c.Servers[0].Limits.PerSource, concurrency)
	}
}

func TestDirectory(t *testing.T) {
	dir := tree(t, map[string]string{
		"a.hcl":       `defaults {` + "\n" + ` limits { connections = 3 }` + "\n}",
		"b.hcl":       `server "b" {` + "\n" + `transport "unix" { address = "b.sock" }` + "\n" + threading + echo + "}",
		"c.hcl":       `server "c" {` + "\n" + tcp + threading + echo + "}",
		".hidden.hcl": `nonsense {}`,
		"notes.txt":   `nonsense`,
	})
	c, err := config.Load(dir, catalog)
	require.NoError(t, err)
	require.Len(t, c.Servers, 2)
	require.Equal(t, "b", c.Servers[0].Name)
	require.Equal(t, filepath.Join(dir, "b.sock"), c.Servers[0].Transports[0].Address)
	require.Equal(t, 3, c.Servers[1].Limits.Connections)
	require.Equal(t, filepath.Join(dir, "plugins"), c.Plugins.Directory)

	c, err = config.Load(filepath.Join(dir, "c.hcl"), catalog)
	require.NoError(t, err)
	require.Len(t, c.Servers, 1)
	require.Equal(t, 1000, c.Servers[0].Limits.Connections)
}

func TestErrorsOfSeveralFiles(t *testing.T) {
	dir := tree(t, map[string]string{
		"a.hcl": "log {}\n" + server(tcp+threading+echo),
		"b.hcl": "log {}\n" + server(tcp+threading+echo),
	})
	_, err := config.Load(dir, catalog)
	a, b := filepath.Join(dir, "a.hcl"), filepath.Join(dir, "b.hcl")
	require.Equal(t, b+`:1:1: there is a second log block; the first is in `+a+`, line 1; leave one of them
    log {}
    ^
`+b+`:2:1: server "s": there is a server of this name already, in `+a+`, line 2; choose another name
    server "s" {
    ^
`+b+`:3:29: server "s": transport "tcp": localhost:9000 is taken by tcp localhost:9000 of server "s", in `+a+`, line 3; choose another one
    transport "tcp" { address = "localhost:9000" }
                                ^`, report(err))
}

func TestNoSource(t *testing.T) {
	dir := t.TempDir()
	_, err := config.Load(dir, catalog)
	require.EqualError(t, err, dir+": there is no .hcl file in this directory; write one, or name another directory")
	missing := filepath.Join(dir, "servers.hcl")
	_, err = config.Load(missing, catalog)
	require.EqualError(t, err, missing+": there is no such file or directory; check the path, or write one to begin with: socketserver init")
	require.Equal(t, []string{`there is no server; add one, as in server "echo" { ... }`}, problems(t, "# nothing\n"))
}

func TestHandlerOptions(t *testing.T) {
	t.Setenv("NAME", "world")
	dir := tree(t, map[string]string{"banner.txt": "hi\n", "servers.hcl": server(tcp+threading+`handler "greet" {
  greeting = "${trimspace(file("banner.txt"))}, ${upper(env("NAME"))}"
  requests = length([for n in range(3) : n if n > 0])
  tags     = jsondecode("[\"a\"]")
}`) + server2(`handler "greet" { requests = null }`)})
	c, err := config.Load(filepath.Join(dir, "servers.hcl"), catalog)
	require.NoError(t, err)
	require.JSONEq(t, `{"greeting": "hi, WORLD", "requests": 2, "tags": ["a"]}`, string(c.Servers[0].Handler.Options))
	require.JSONEq(t, `{}`, string(c.Servers[1].Handler.Options))
}

func server2(body string) string {
	return "server \"s2\" {\ntransport \"tcp\" { address = \":0\" }\n" + threading + body + "\n}\n"
}

// unseen is a catalog whose plugins are not to be looked at.
type unseen struct{ handlers }

func (unseen) Names(string) []string                                 { return nil }
func (unseen) Class(*config.Server) (*framework.HandlerClass, error) { return nil, nil }

func TestPluginsNotLookedAt(t *testing.T) {
	c, err := config.Parse("servers.hcl", []byte(server(tcp+threading+`plugin "whatever" { x = 1 }`)), unseen{})
	require.NoError(t, err)
	require.Nil(t, c.Servers[0].Class)
}

func TestAnswers(t *testing.T) {
	for written, want := range map[string]int{
		`null`: 64 << 10, `"0"`: 0, `"0/s"`: 0, `"500B/s"`: 500, `"7/s"`: 7, `"64KiB/s"`: 64 << 10, `" 1MiB/s"`: 1 << 20, `"1GiB/s"`: 1 << 30,
	} {
		c, err := config.Parse("servers.hcl", []byte(server(tcp+threading+echo+"limits { answers = "+written+" }")), catalog)
		require.NoError(t, err, written)
		require.Equal(t, want, c.Servers[0].Limits.Answers, written)
	}
	for written, problem := range map[string]string{
		`"64KiB"`: `"64KiB" is not a rate of bytes`, `"many/s"`: `"many/s" is not a rate of bytes`, `"1TiB/s"`: `"1TiB/s" is not a rate of bytes`,
		`"-1/s"`: `"-1/s" is out of range`, `"2GiB/s"`: `"2GiB/s" is out of range`,
	} {
		require.Equal(t, []string{`5:20: server "s": limits: answers: ` + problem + `; write it as in "64KiB/s", "500B/s" or "1MiB/s", or "0" for no limit`},
			problems(t, server(tcp+threading+echo+"limits { answers = "+written+" }")))
	}
}
