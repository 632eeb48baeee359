package config

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

// A server has what defaults say and it does not say itself; a plugin goes before its server.
func TestProcess(t *testing.T) {
	r := newReader()
	r.parse("/conf/servers.hcl", []byte(`
defaults {
  process {
    nice        = 5
    umask       = "0000"
    environment = { A = "1", B = "1", C = "1" }
    limits {
      files     = 64
      file_size = "1MiB"
    }
    sandbox { read = ["lib", "/usr"] }
  }
}
server "x" {
  process {
    umask       = "0022"
    directory   = "run"
    environment = { B = "2" }
    limits { cpu = "10s" }
    sandbox { write = ["data"] }
  }
}
server "y" {
  process { environment = { D = "4" } }
}
plugin "p" {
  environment = { B = "3" }
  nice        = 0
  limits { files = 32 }
  sandbox { network = true }
}
`))
	r.readFiles()
	require.NoError(t, r.err())
	is := r.config.Servers[0].Process
	require.Equal(t, Process{
		Environment: []string{"A=1", "B=1", "C=1", "B=2"}, Directory: "/conf/run",
		Limits:  framework.Restrictions{Nice: 5, Umask: 0o022, CPU: 10 * time.Second, Files: 64, FileSize: 1 << 20},
		Sandbox: &framework.Sandbox{Read: []string{"/conf/lib", "/usr"}, Write: []string{"/conf/data"}},
		niced:   true,
	}, is)
	require.Equal(t, []string{"A=1", "B=1", "C=1", "D=4"}, r.config.Servers[1].Process.Environment)
	require.Nil(t, r.process.Sandbox.Write, "what servers have is not the defaults'")
	require.Equal(t, Process{
		Environment: []string{"A=1", "B=1", "C=1", "B=2", "B=3"}, Directory: "/conf/run",
		Limits:  framework.Restrictions{Umask: 0o022, CPU: 10 * time.Second, Files: 32, FileSize: 1 << 20},
		Sandbox: &framework.Sandbox{Network: true},
		niced:   true,
	}, is.Under(r.config.Defined["p"].Process))

	forking, ok := (&Server{Concurrency: DefaultConcurrency("forking"), Process: is}).Strategy(Means{Worker: &framework.Program{Path: "/worker", Build: "b"}}).(*framework.Forking)
	require.True(t, ok)
	require.Equal(t, &framework.Program{Path: "/worker", Build: "b", Env: is.Environment, Directory: "/conf/run", Restrictions: is.Limits, Sandbox: is.Sandbox}, forking.Command)
}

// A group goes before that of the user, whichever is written first.
func TestProcessGroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can change the user")
	}
	for range 10 { // attributes have no order
		r := newReader()
		r.parse("servers.hcl", []byte("server \"x\" {\n process {\n user = \"nobody\"\n group = \"root\"\n}\n}\n"))
		r.readFiles()
		require.NoError(t, r.err())
		limits := r.config.Servers[0].Process.Limits
		require.NotZero(t, limits.UID)
		require.Zero(t, limits.GID)
	}
}

// What a plugin does not choose of user and group is its server's.
func TestProcessUserOfPlugin(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can change the user")
	}
	var user, group Process
	require.Nil(t, user.runAs("nobody"))
	require.Nil(t, group.runInGroup("daemon"))
	nobody, its, daemon := user.Limits.UID, user.Limits.GID, group.Limits.GID
	for _, c := range []struct {
		defaults, server, plugin string
		uid, gid                 uint32
		named                    bool
	}{
		{defaults: `user = "nobody"`, server: `group = "daemon"`, uid: nobody, gid: daemon, named: true},
		{defaults: `group = "daemon"`, server: `user = "nobody"`, uid: nobody, gid: its, named: true},
		{defaults: `user = "nobody"`, plugin: `group = "daemon"`, uid: nobody, gid: daemon, named: true},
		{defaults: `group = "daemon"`, plugin: `user = "nobody"`, uid: nobody, gid: its, named: true},
		{defaults: "user = \"nobody\"\n group = \"daemon\"", server: "nice = 1", plugin: "nice = 0", uid: nobody, gid: daemon, named: true},
		{server: `user = "nobody"`, plugin: `group = "daemon"`, uid: nobody, gid: daemon, named: true},
		{server: `user = "nobody"`, uid: nobody, gid: its, named: true},
		{server: "user = \"nobody\"\n group = \"daemon\"", uid: nobody, gid: daemon, named: true},
		{server: "user = \"nobody\"\n group = \"daemon\"", plugin: `user = "root"`, named: true},
		{server: `group = "daemon"`, plugin: `user = "nobody"`, uid: nobody, gid: its, named: true},
		{plugin: `group = "daemon"`, gid: daemon},
		{server: `group = "daemon"`, gid: daemon},
	} {
		t.Run(c.defaults+", "+c.server+", "+c.plugin, func(t *testing.T) {
			r := newReader()
			r.parse("servers.hcl", []byte("defaults {\n process {\n"+c.defaults+"\n}\n}\nserver \"x\" {\n process {\n"+c.server+"\n}\n}\nplugin \"p\" {\n"+c.plugin+"\n}\n"))
			r.readFiles()
			require.NoError(t, r.err())
			server, own := r.config.Servers[0].Process, r.config.Defined["p"].Process
			is := server.Under(own)
			require.Equal(t, framework.Restrictions{AsUser: true, UID: c.uid, GID: c.gid}, is.Limits)
			require.Equal(t, c.named, is.NamesUser())
			if own.named {
				require.Equal(t, own.Home, is.Home)
			} else {
				require.Equal(t, server.Home, is.Home)
			}
		})
	}
}
