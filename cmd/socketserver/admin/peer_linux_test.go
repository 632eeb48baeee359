package admin

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

func TestPermittedPeers(t *testing.T) {
	me := os.Geteuid()
	for _, c := range []struct {
		peer  peer
		allow []string
		want  bool
	}{
		{peer{known: true, uid: 0}, nil, true},
		{peer{known: true, uid: me}, nil, true},
		{peer{uid: me}, nil, false},
		{peer{known: true, uid: 65534, gid: 65534}, nil, false},
		{peer{known: true, uid: 65534, gid: 65534}, []string{"user:root", "group:root"}, false},
		{peer{known: true, uid: 65534, gid: 0}, []string{"group:root"}, true},
		{peer{known: true, uid: 65534, gid: 65534}, []string{"user:nobody"}, true},
		{peer{known: true, uid: 65534, gid: 65534}, []string{"user:no such user", "group:no such group"}, false},
	} {
		require.Equal(t, c.want, c.peer.permitted(c.allow), "%v", c)
	}
}

// Another user may connect where some are allowed, and is refused unless it is one of them.
func TestOtherUser(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("it takes curl, and root to become another user")
	}
	for allow, want := range map[string]string{"user:nobody": "200", "group:adm": "403"} {
		dir, err := os.MkdirTemp("", "admin")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		require.NoError(t, os.Chmod(dir, 0o755))
		path := filepath.Join(dir, "admin.sock")
		socket, err := framework.OpenSocket("unix", path, SocketOptions([]string{allow}))
		require.NoError(t, err)
		s, err := Open(socket, []string{allow}, []Endpoint{{Pattern: "GET /", Do: func(*http.Request) (any, error) { return "hello", nil }}}, hclog.NewNullLogger())
		require.NoError(t, err)
		s.Serve()
		as := exec.Command(curl, "-s", "-w", " %{http_code}", "--unix-socket", path, "http://x/")
		as.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := as.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.True(t, strings.HasSuffix(string(out), " "+want), "%s", out)
		require.NoError(t, s.Close())
		require.NoError(t, socket.Close())
	}
}

// Those that are not permitted take no place of those that are.
func TestStrangersTakeNoPlace(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("it takes python3, and root to become another user")
	}
	dir, err := os.MkdirTemp("", "admin")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	require.NoError(t, os.Chmod(dir, 0o755))
	path := filepath.Join(dir, "admin.sock")
	allow := []string{"user:daemon"}
	socket, err := framework.OpenSocket("unix", path, SocketOptions(allow))
	require.NoError(t, err)
	defer socket.Close()
	l, err := listen(socket, allow)
	require.NoError(t, err)
	defer l.Close()
	silent := exec.Command(python, "-c", `
import os, socket, sys
os.setgid(65534)
os.setuid(65534)
clients = [socket.socket(socket.AF_UNIX) for _ in range(40)]
for c in clients:
    c.connect(sys.argv[1])
print("connected", flush=True)
sys.stdin.read()`, path)
	end, err := silent.StdinPipe()
	require.NoError(t, err)
	out, err := silent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, silent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "connected\n", line)
	frameworktest.DialAddress(t, "unix", path)
	found := make(chan bool)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil || c.(*connection).peer.uid == 0 {
				found <- err == nil
				return
			}
		}
	}()
	require.True(t, frameworktest.Await(t, found))
	require.NoError(t, end.Close())
	require.NoError(t, silent.Wait())
}

// It answers when the process has no descriptor left.
func TestReserveDescriptor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	socket, err := framework.OpenSocket("unix", path, SocketOptions(nil))
	require.NoError(t, err)
	l, err := listen(socket, nil)
	require.NoError(t, err)
	defer func() {
		require.NoError(t, l.Close())
		l.spend()
		require.NoError(t, socket.Close())
	}()
	client := frameworktest.DialAddress(t, "unix", path)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	var all []*os.File
	defer func() {
		for _, f := range all {
			_ = f.Close()
		}
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	}()
	low := limit
	low.Cur = 100
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low))
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		all = append(all, f)
	}
	conn, err := l.Accept()
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, client.Close())
	require.NotNil(t, l.reserve, "it is held again")
}
