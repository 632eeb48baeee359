package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A plugin that was changed is refused with both sums, and what was checked runs on, until the change is
// locked.
func TestLockedPlugin(t *testing.T) {
	script := func(text string) string { return "#!/bin/sh\necho " + text + "\n" }
	dir := programs(t, map[string]string{"greet.sh": script("one")})
	place := t.TempDir()
	r := &reloader{file: filepath.Join(place, "servers.hcl"), socket: filepath.Join(place, "admin.sock")}
	r.write(t, fmt.Sprintf(`reload { watch = true }
plugins {
  directory = %q
  trust     = "lock"
}
server "greet" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  plugin "greet" {}
}
`, dir))
	out, err := exec.Command("socketserver", "validate", "-c", r.file).CombinedOutput()
	require.Equal(t, exitFailed, exitCode(err))
	require.Contains(t, string(out), `plugin "greet": plugins.lock has no line for it; if it is what it should be, run: socketserver plugin lock greet`)
	lock := func(version string, names ...string) {
		out, err := exec.Command("socketserver", append([]string{"plugin", "lock", "-c", r.file}, names...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		line := fmt.Sprintf("%x  stdio   greet.sh\n", sha256.Sum256([]byte(script(version))))
		require.Equal(t, line, string(out))
		text, err := os.ReadFile(filepath.Join(place, "plugins.lock"))
		require.NoError(t, err)
		require.Equal(t, line, string(text))
	}
	lock("one")
	r.process, r.listeners = serveArgs(t, "-c", r.file)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "greet.sh"), []byte(script("two")), 0o755))
	require.Equal(t, "one\n", askOnce(t, r.listeners[0], "hello"))
	_, problems, err := r.command("reload")
	require.Equal(t, exitFailed, exitCode(err))
	was, is := sha256.Sum256([]byte(script("one"))), sha256.Sum256([]byte(script("two")))
	require.Contains(t, problems, fmt.Sprintf(`plugin "greet": %s/greet.sh has the sum %x, and plugins.lock has %x; if it is what it should be, run: socketserver plugin lock greet`, dir, is[:4], was[:4]))
	require.Equal(t, "one\n", askOnce(t, r.listeners[0], "hello"))
	lock("two", "greet")
	r.await(t, "reloaded") // as what it reads has changed
	require.Equal(t, "two\n", askOnce(t, r.listeners[0], "hello"))
}
