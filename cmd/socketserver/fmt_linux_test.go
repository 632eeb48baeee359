package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	uglyLayout   = "server \"a\" {\nlimits {connections=1}\n}\n"
	prettyLayout = "server \"a\" {\n  limits { connections = 1 }\n}\n"
)

// A path is a path, whatever a pattern would make of it.
func TestFmtDirectoryIsNoPattern(t *testing.T) {
	for _, name := range []string{"conf[1]", "c*", "conf?", `conf\1`, "[", "{a,b}"}[:often(3, 6)] {
		dir := t.TempDir()
		for _, file := range []string{name + "/a.hcl", name + "/[b].hcl", name + "/.c.hcl", "conf1/d.hcl", "a/e.hcl"} {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(uglyLayout), 0o644))
		}
		c := exec.Command("socketserver", "fmt", name)
		c.Dir = dir
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, name+"/[b].hcl\n"+name+"/a.hcl\n", string(out))
		c = exec.Command("socketserver", "fmt", "--check", "conf1", "a")
		c.Dir = dir
		out, err = c.CombinedOutput()
		require.Error(t, err)
		require.Equal(t, "conf1/d.hcl\na/e.hcl\n", string(out))
		c = exec.Command("socketserver", "man", name)
		c.Dir = dir
		out, err = c.CombinedOutput()
		require.NoError(t, err)
		require.Contains(t, string(out), name+"/socketserver-serve.1\n")
	}
}

// What fmt writes is the same file: its owner, mode, links and mounts stay.
func TestFmtKeepsTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "servers.hcl")
	require.NoError(t, os.WriteFile(path, []byte(uglyLayout), 0o640))
	if os.Getuid() == 0 {
		require.NoError(t, os.Chown(path, 61234, 61235))
	}
	require.NoError(t, os.Link(path, filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink("servers.hcl", filepath.Join(dir, "symlink")))
	before, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, exec.Command("socketserver", "fmt", filepath.Join(dir, "symlink")).Run())
	after, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after))
	require.Equal(t, before.Mode(), after.Mode())
	require.Equal(t, before.Sys().(*syscall.Stat_t).Uid, after.Sys().(*syscall.Stat_t).Uid)
	text, err := os.ReadFile(filepath.Join(dir, "link"))
	require.NoError(t, err)
	require.Equal(t, prettyLayout, string(text))
}

func TestFmtWritesAMountedFile(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root mounts")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "servers.hcl")
	require.NoError(t, os.WriteFile(path, []byte(uglyLayout), 0o640))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mounted"), nil, 0o640))
	c := exec.Command("sh", "-ec", `mount --bind servers.hcl mounted; exec socketserver fmt mounted`)
	c.Dir = dir
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS} // whose mounts Go makes private
	out, err := c.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("in a container root may not mount")
	}
	require.NoError(t, err, "%s", out)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, prettyLayout, string(text))
}

func TestFmtRefusesPipes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	out, err := exec.Command("socketserver", "fmt", path).CombinedOutput()
	require.ErrorContains(t, err, "status 1")
	require.Equal(t, path+": it is not a regular file; for standard input write -\n", string(out))
}
