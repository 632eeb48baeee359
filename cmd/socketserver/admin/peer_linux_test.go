package admin

import (
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
		s, err := Serve(socket, []string{allow}, []Endpoint{{"GET /", func(*http.Request) (any, error) { return "hello", nil }}}, hclog.NewNullLogger())
		require.NoError(t, err)
		as := exec.Command(curl, "-s", "-w", " %{http_code}", "--unix-socket", path, "http://x/")
		as.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := as.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.True(t, strings.HasSuffix(string(out), " "+want), "%s", out)
		require.NoError(t, s.Close())
		require.NoError(t, socket.Close())
	}
}

// It answers when the process has no descriptor left.
func TestReserveDescriptor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	socket, err := framework.OpenSocket("unix", path, SocketOptions(nil))
	require.NoError(t, err)
	l, err := listen(socket)
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
