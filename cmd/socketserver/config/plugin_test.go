package config

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

func TestPluginBlock(t *testing.T) {
	r := newReader()
	r.parse("/conf/servers.hcl", []byte(`plugins { trust = "owner" }
plugin "awk" {
  kind        = "stdio"
  command     = ["/usr/bin/awk", "-f", "sum.awk"]
  environment = { B = "2", A = "1" }
  limits {
    memory    = "64MiB"
    cpu       = "10s"
    files     = 64
    processes = 32
  }
  option "greeting" {
    default = "hello"
    doc     = "said first"
  }
  option "times" {
    type    = "number"
    default = 2
  }
  option "names" { type = "list" }
}
plugin "elsewhere" {
  path      = "bin/x"
  directory = "/var/empty"
  recycle {
    after    = "24h"
    requests = 10000
    memory   = "200MB"
  }
  replace {
    automatic = true
    drain     = "10s"
    split     = true
  }
  restart {
    max         = 3
    within      = "10s"
    unavailable = "try later\n"
  }
}
`))
	r.readFiles()
	require.Equal(t, map[string]*Plugin{
		"awk": {
			Kind: "stdio", Path: "/usr/bin/awk", Command: []string{"/usr/bin/awk", "-f", "sum.awk"}, Beside: "/conf",
			Process: Process{
				Environment: []string{"A=1", "B=2"},
				Limits:      framework.Restrictions{Memory: 64 << 20, CPU: 10 * time.Second, Files: 64, Processes: 32},
			},
			Options: []framework.Option{
				{Name: "greeting", Type: "string", Default: []byte(`"hello"`), Doc: "said first"},
				{Name: "times", Type: "number", Default: []byte("2")},
				{Name: "names", Type: "list"},
			},
		},
		"elsewhere": {Path: "/conf/bin/x", Process: Process{Directory: "/var/empty"}, Restart: Restart{3, 10 * time.Second, "try later\n"}, Recycle: Recycle{24 * time.Hour, 10000, 200e6}, Replace: Replace{true, 10 * time.Second, true}},
	}, r.config.Defined)
}

func TestWrongPluginBlock(t *testing.T) {
	for src, want := range map[string]string{
		`plugin "x" { kind = "cgi" }`:                           `plugin "x": kind: "cgi" is not known`,
		`plugin "x" { command = [] }`:                           `plugin "x": command: there is no program`,
		`plugin "x" { path = "" }`:                              `plugin "x": path: the path is empty`,
		`plugin "x" { environment = { "A=" = "1" } }`:           `plugin "x": environment: "A=" cannot be in an environment`,
		"plugin \"x\" {\n path = \"a\"\n command = [\"b\"]\n}":  `plugin "x": there are both path and command`,
		"plugin \"x\" {\n option \"o\" {\n default = [1]\n}\n}": `plugin "x": option "o": default: this is a list; write a string`,
		"plugin \"x\" {\n option \"o\" {}\n option \"o\" {}\n}": `plugin "x": option "o": there is a second one`,
		"plugin \"x\" {\n option \"o\" { type = \"text\" }\n}":  `option "o": type: "text" is not known`,
		"plugin \"x\" {\n restart { max = 0 }\n}":               `plugin "x": restart: max: 0 is out of range`,
		"plugin \"x\" {\n restart { within = \"1ms\" }\n}":      `plugin "x": restart: within: 1ms is too short`,
		"plugin \"x\" {\n limits { files = 3 }\n}":              `plugin "x": limits: files: 3 is out of range`,
		"plugin \"x\" {\n limits { cpu = \"10ms\" }\n}":         `plugin "x": limits: cpu: 10ms is too short`,
		"plugin \"x\" {\n recycle {}\n}":                        `plugin "x": recycle: there is nothing in it; write after = "24h", requests = 10000 or memory = "512MiB"`,
		"plugin \"x\" {\n recycle { after = \"5ms\" }\n}":       `plugin "x": recycle: after: 5ms is too short`,
		"plugin \"x\" {\n recycle { memory = \"9\" }\n}":        `plugin "x": recycle: memory: "9" is out of range`,
		"plugin \"x\" {\n replace { drain = \"-1s\" }\n}":       `plugin "x": replace: drain: "-1s" is negative`,
		`plugins { trust = "all" }`:                             `plugins: trust: "all" is not known`,
		`plugin "x" { sha256 = "12" }`:                          `plugin "x": sha256: "12" is not one; write what sha256sum prints`,
		"plugin \"x\" {\n}\nplugin \"x\" {\n}":                  "there is a second one",
	} {
		r := newReader()
		r.parse("servers.hcl", []byte(src))
		r.readFiles()
		require.Len(t, r.list, 1, src)
		require.ErrorContains(t, r.err(), want)
	}
}

// Only root can run a plugin as another user, who has a home of its own.
func TestPluginUser(t *testing.T) {
	r := newReader()
	r.parse("servers.hcl", []byte(`plugin "x" {
  environment = { A = "1" }
  user = "root"
}
`))
	r.readFiles()
	if os.Geteuid() != 0 {
		require.ErrorContains(t, r.err(), `plugin "x": user: only root can run a process as another user`)
		return
	}
	require.Equal(t, framework.Restrictions{AsUser: true}, r.config.Defined["x"].Limits)
	require.Equal(t, []string{"HOME=/root", "A=1"}, r.config.Defined["x"].Variables())
	r = newReader()
	r.parse("servers.hcl", []byte(`plugin "x" { user = "no such user" }`))
	r.readFiles()
	require.ErrorContains(t, r.err(), `plugin "x": user: there is no user "no such user"`)
}

func TestLoadPlugins(t *testing.T) {
	dir := t.TempDir()
	file := dir + "/servers.hcl"
	require.NoError(t, os.WriteFile(file, []byte("plugins { directory = \"there\" }\nplugin \"x\" { kind = \"go\" }\n"), 0o600))
	is, err := LoadPlugins(file)
	require.NoError(t, err)
	require.Equal(t, dir+"/there", is.Plugins.Directory)
	require.Equal(t, map[string]*Plugin{"x": {Kind: "go"}}, is.Defined)
	for text, want := range map[string]string{"plugin \"x\" {": "1:12", "plugin \"x\" { kind = \"cgi\" }": `"cgi" is not known`} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err = LoadPlugins(file)
		require.ErrorContains(t, err, want)
	}
	_, err = LoadPlugins(dir + "/none.hcl")
	require.ErrorContains(t, err, "none.hcl")
}
