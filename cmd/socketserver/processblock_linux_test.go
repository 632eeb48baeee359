package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// What a process block says holds for forked children, workers and programs, and for nothing else.
func TestProcessBlock(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can change the user")
	}
	const peek = "#!/bin/sh\nread -r line\necho $(id -u) $(umask) $MARK $(cat /etc/passwd >/dev/null 2>&1 || echo refused)\n"
	dir, err := os.MkdirTemp("", "process") // which another user may enter
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.WriteFile(dir+"/peek.sh", []byte(peek), 0o755))
	p, listeners := serveFile(t, fmt.Sprintf(`
plugins { directory = %q }
defaults {
  process {
    user        = "nobody"
    umask       = "0027"
    nice        = 7
    environment = { MARK = "marked" }
    limits { file_size = "1MiB" }
    sandbox { read = ["/bin", "/usr", "/lib", "/lib64", "/etc/ld.so.cache"] }
  }
}
server "forking" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "forking" { max_requests = 2 }
  handler "echo" {}
}
server "preforking" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "preforking" { workers = 1 }
  handler "echo" {}
}
server "program" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "forking" {}
  plugin "peek.sh" {}
  process { environment = { MARK = "own" } }
}
`, dir))
	for _, l := range listeners {
		conn := dial(t, l)
		frameworktest.Send(t, conn, "hello\n")
		if l.server == "program" {
			said := frameworktest.End(t, conn)
			require.Contains(t, said, "65534 0027 own")
			require.Equal(t, !hasLandlock(p), !strings.Contains(said, "refused"))
			continue
		}
		require.Equal(t, "hello\n", receive(t, conn))
	}
	children := p.children(t)
	require.Len(t, children, 2)
	for _, pid := range children {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		require.NoError(t, err)
		for _, line := range []string{"\nUid:\t65534\t65534\t65534\t65534\n", "\nGid:\t65534\t65534\t65534\t65534\n", "\nUmask:\t0027\n", "\nNoNewPrivs:\t1\n"} {
			require.Contains(t, string(status), line)
		}
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
		require.NoError(t, err)
		require.Regexp(t, `Max file size +1048576 `, string(limits))
		environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		require.NoError(t, err)
		require.Contains(t, string(environment), "MARK=marked\x00")
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		require.NoError(t, err)
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
		require.Equal(t, "7", fields[17], "nice")
	}
}

// A program with arguments runs beside its file unless a process block, its own or that of its server, says otherwise.
func TestDirectoryOfACommand(t *testing.T) {
	dir := t.TempDir()
	servers, own, at := dir+"/servers", dir+"/own", dir+"/servers.hcl"
	require.NoError(t, os.Mkdir(servers, 0o755))
	require.NoError(t, os.Mkdir(own, 0o755))
	text := ""
	for name, blocks := range map[string][2]string{"default": {}, "of the server": {"process { directory = \"servers\" }\n"}, "of the plugin": {"process { directory = \"servers\" }\n", "directory = \"own\"\n"}} {
		text += fmt.Sprintf("server %[1]q {\ntransport \"tcp\" { address = \"127.0.0.1:0\" }\nconcurrency \"forking\" {}\nplugin %[1]q {}\n%[2]s}\nplugin %[1]q {\ncommand = [\"/bin/pwd\"]\nkind = \"stdio\"\n%[3]s}\n", name, blocks[0], blocks[1])
	}
	require.NoError(t, os.WriteFile(at, []byte(text), 0o600))
	_, listeners := serveArgs(t, "-c", at)
	require.Len(t, listeners, 3)
	for _, l := range listeners {
		want := map[string]string{"default": dir, "of the server": servers, "of the plugin": own}[l.server]
		require.Equal(t, want+"\n", frameworktest.End(t, dial(t, l)), l.server)
	}
}

// hasLandlock reports whether a server has logged that the sandbox is enforced.
func hasLandlock(p *process) bool {
	e, _ := p.take(func(e event) bool { return e["@message"] == "processes are in a sandbox" })
	return e != nil
}

// A server that runs handlers as root without being told to warns once, and names them.
func TestHandlersRunAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root does")
	}
	const text = `
server "told" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "forking" {}
  handler "echo" {}
  process { user = "root" }
}
server "untold" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "echo" {}
}
`
	p := start(t, t.TempDir(), exec.Command("socketserver", "serve", "-c", write(t, "servers.hcl", text)))
	p.await(t, "ready")
	warning, _ := p.take(func(e event) bool { return e["@message"] == "handlers run as root" })
	require.Equal(t, []any{"untold"}, warning["servers"])
}
