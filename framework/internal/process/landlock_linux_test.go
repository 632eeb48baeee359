package process

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// system is what a shell needs to run.
var system = []string{"/bin", "/usr", "/lib", "/lib64", "/etc/ld.so.cache"}

// runShell runs a script with the restrictions, which begins when it has them all, and returns what it
// prints.
func runShell(t *testing.T, script string, r Restrictions, s *Sandbox) string {
	t.Helper()
	image, err := Pin("/bin/bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	defer image.Close()
	output, printed, err := os.Pipe()
	require.NoError(t, err)
	defer output.Close()
	stdin, begin, err := os.Pipe()
	require.NoError(t, err)
	defer stdin.Close()
	p, err := Start(Command{Image: image, Args: []string{"bash", "-c", "read x; " + script}, Env: Environment(), Stdin: stdin, Stdout: printed, Stderr: os.Stderr, Restrictions: r, Sandbox: s})
	require.NoError(t, printed.Close())
	require.NoError(t, begin.Close())
	require.NoError(t, err)
	var said strings.Builder
	_, err = output.WriteTo(&said)
	require.NoError(t, err)
	_, err = p.Wait()
	require.NoError(t, err)
	return strings.TrimSpace(said.String())
}

// A process in a sandbox has what it is allowed, and this process has all.
// A program cannot start where its sandbox hides its loader, and the error names the cause.
func TestSandboxWithoutLoader(t *testing.T) {
	if version := landlockVersion(); version < 1 {
		t.Skip("this system has no Landlock")
	}
	script := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700)) //nolint:gosec // it is run
	image, err := Pin(script)
	require.NoError(t, err)
	defer image.Close()
	_, err = Start(Command{Image: image, Args: []string{"script"}, Sandbox: &Sandbox{}})
	require.ErrorContains(t, Explain(err), "permission denied: its mode, or the sandbox, which must let it read the interpreter")
}

func TestSandbox(t *testing.T) {
	if version := landlockVersion(); version < 4 {
		t.Skipf("this system has version %d of Landlock", version)
	}
	mine, theirs := t.TempDir(), t.TempDir()
	for _, dir := range []string{mine, theirs} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "there"), []byte("x"), 0o666))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	const attempt = `try() { if (eval "$2") 2>/dev/null; then echo "$1 yes"; else echo "$1 no"; fi; }; `
	script := attempt + strings.NewReplacer("MINE", mine, "THEIRS", theirs, "PORT", strings.TrimPrefix(listener.Addr().String(), "127.0.0.1:")).Replace(
		`try read ': <MINE/there'; try list 'ls MINE >/dev/null'; try write ': >MINE/new'; try change ': >MINE/there'; try remove 'rm MINE/there'; `+
			`try foreign ': <THEIRS/there'; try null ': >/dev/null'; try connect ': >/dev/tcp/127.0.0.1/PORT'`)
	for _, c := range []struct {
		name string
		of   Sandbox
		said string
	}{
		{"read", Sandbox{Read: append([]string{mine, "/no/such/file"}, system...)}, "read yes\nlist yes\nwrite no\nchange no\nremove no\nforeign no\nnull yes\nconnect no"},
		{"write", Sandbox{Read: system, Write: []string{mine}, Network: true, Required: true}, "read yes\nlist yes\nwrite yes\nchange yes\nremove yes\nforeign no\nnull yes\nconnect yes"},
	} {
		require.Equal(t, c.said, runShell(t, script, Restrictions{}, &c.of), c.name)
		_, err := os.ReadFile("/etc/passwd")
		require.NoError(t, err)
	}
	require.NoFileExists(t, filepath.Join(mine, "there"))
	require.Empty(t, spawners.all, "threads that nobody needs")
}

// What is required and cannot be had starts nothing.
func TestRequiredSandbox(t *testing.T) {
	image, err := Pin("/bin/true")
	require.NoError(t, err)
	defer image.Close()
	_, err = Start(Command{Image: image, Args: []string{"true"}, Stdout: os.Stderr, Stderr: os.Stderr, Sandbox: &Sandbox{Read: []string{"/no/such/file"}, Required: true}})
	require.ErrorContains(t, err, "/no/such/file: no such file or directory")
	require.Empty(t, spawners.all)
}

// What a thread passes on is that of the process alone, one after the other.
func TestInherited(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	const script = `umask; nice; ulimit -f`
	own, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	require.NoError(t, err)
	own = 20 - own // the system call returns it so
	require.Equal(t, fmt.Sprintf("0077\n%d\nunlimited", own), runShell(t, script, Restrictions{}, nil))
	require.Equal(t, "0022\n15\n4", runShell(t, script, Restrictions{Umask: 0o022, Nice: 15, FileSize: 4096}, nil))
	require.Equal(t, fmt.Sprintf("0000\n%d\nunlimited", own), runShell(t, script, Restrictions{Umask: -1}, nil))
	require.Equal(t, "", runShell(t, "head -c 100000 /dev/zero >"+file+" 2>/dev/null", Restrictions{FileSize: 4096}, nil))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.EqualValues(t, 4096, info.Size())
}
