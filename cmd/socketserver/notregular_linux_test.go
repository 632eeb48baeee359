package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A pipe in place of a file is an error, not a wait for a writer that never comes.
func TestPipeInPlaceOfAFile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "units"), 0o755))
	pipes := []string{filepath.Join(dir, "servers.hcl"), filepath.Join(dir, "plugins.lock"), filepath.Join(dir, "units", "a.socket")}
	for _, path := range pipes {
		require.NoError(t, syscall.Mkfifo(path, 0o600))
	}
	locked := filepath.Join(dir, "locked.hcl")
	require.NoError(t, os.WriteFile(locked, []byte(timestamps(everyStrategy[0], "", "")+"server \"p\" {\ntransport \"tcp\" { address = \"127.0.0.1:0\" }\nconcurrency \"threading\" {}\nplugin \"p\" {}\n}\nplugins { trust = \"lock\" }\n"), 0o600))
	for _, args := range [][]string{
		{"validate", "-c", pipes[0]},
		{"validate", "-c", locked},
		{"import", pipes[2]},
		{"import", filepath.Dir(pipes[2])},
		{"fmt", pipes[0]},
		{"connect", "--certificate", pipes[0], "tls://127.0.0.1:1"},
		{"connect", "--certificate", locked, "--key", pipes[0], "tls://127.0.0.1:1"},
	} {
		require.Contains(t, refusal(t, args), "it is not a regular file", args)
	}
	for want, args := range map[string][]string{ // a shell's <(command) is a pipe, too, and has a writer
		"there is no certificate in it": {"connect", "--ca", pipes[0], "tls://127.0.0.1:1"},
		"is no report of this version":  {"compare", pipes[0], pipes[0]},
		"servers.hcl: ":                 {"theatre", "--replay", pipes[0]},
	} {
		require.Contains(t, refusal(t, args), want, args)
	}
	r := reloadable(t, timestamps(everyStrategy[0], "", ""))
	require.NoError(t, os.Remove(r.file))
	require.NoError(t, syscall.Mkfifo(r.file, 0o600))
	_, problems, err := r.command("reload")
	require.Error(t, err)
	require.Contains(t, problems, "it is not a regular file")
}

// refusal returns what the command says, which must not wait for anybody.
func refusal(t *testing.T, args []string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), frameworktest.Patience)
	defer cancel()
	out, _ := exec.CommandContext(ctx, "socketserver", args...).CombinedOutput()
	require.NoError(t, ctx.Err(), args)
	return string(out)
}

// A configuration that is read from where no read returns keeps nobody from stopping the daemon.
func TestStopWhileTheConfigurationIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		blocked := make(chan struct{})
		time.AfterFunc(time.Minute, stop)
		_, err := readConfig(ctx, newCatalog(ctx, logFlags{}), func(*catalog) (*config.Config, error) {
			<-blocked
			return nil, errors.New("read after all")
		})
		require.ErrorContains(t, err, "stopped while")
		close(blocked)
	})
}

// The second signal ends a command that is blocked, as by a terminal that nobody reads.
func TestSecondSignalEndsABlockedCommand(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	frame := fmt.Sprintf(`data: {"events":[{"kind":%q}],"status":{}}`+"\n", strings.Repeat("x", 200<<10))
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, frame)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	c := exec.Command("socketserver", "events", "--admin", socket)
	out, theirs, err := os.Pipe()
	require.NoError(t, err)
	defer out.Close()
	c.Stdout = theirs
	require.NoError(t, c.Start())
	require.NoError(t, theirs.Close())
	late := time.AfterFunc(frameworktest.Patience, func() { _ = c.Process.Kill() })
	defer late.Stop()
	_, err = out.Read(make([]byte, 1)) // it prints more than a pipe takes
	require.NoError(t, err)
	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	require.NoError(t, c.Process.Signal(os.Interrupt))
	_ = c.Wait()
	require.Equal(t, exitUsage, c.ProcessState.ExitCode(), c.ProcessState)
}

// Signals are for stopOnSignal alone, as signal.NotifyContext swallows the second one.
func TestSignalsHaveOnePlace(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.False(t, strings.Contains(string(text), "signal.Notify"+"Context("), path)
	}
}
