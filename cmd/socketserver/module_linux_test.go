package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// echoModule is a module that answers with its input: 256 bytes at a time, until there are none.
//
//	(import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
//	(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
//	(memory (export "memory") 1)
//	(func (export "_start")
//	  (loop $again
//	    (i32.store (i32.const 0) (i32.const 16))  ;; where the bytes are
//	    (i32.store (i32.const 4) (i32.const 256)) ;; how many fit
//	    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4))) ;; how many have come
//	    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
//	    (br_if $again (i32.load (i32.const 4)))))
const echoModule = "\x00asm\x01\x00\x00\x00" +
	"\x01\x0c\x02\x60\x04\x7f\x7f\x7f\x7f\x01\x7f\x60\x00\x00" +
	"\x02\x44\x02\x16wasi_snapshot_preview1\x07fd_read\x00\x00\x16wasi_snapshot_preview1\x08fd_write\x00\x00" +
	"\x03\x02\x01\x01" +
	"\x05\x03\x01\x00\x01" +
	"\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x02" +
	"\x0a\x33\x01\x31\x00\x03\x40" +
	"\x41\x00\x41\x10\x36\x02\x00" +
	"\x41\x04\x41\x80\x02\x36\x02\x00" +
	"\x41\x00\x41\x00\x41\x01\x41\x04\x10\x00\x1a" +
	"\x41\x01\x41\x00\x41\x01\x41\x08\x10\x01\x1a" +
	"\x41\x04\x28\x02\x00\x0d\x00" +
	"\x0b\x0b"

// moduleServers are servers of one module, one under each strategy, beside which it lies.
func moduleServers(t *testing.T) (text string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "copy.wasm"), []byte(echoModule), 0o600))
	text = fmt.Sprintf("plugins { directory = %q }\n", dir)
	for _, strategy := range []string{"threading", "forking", "preforking"} {
		text += fmt.Sprintf(`
server %[1]q {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency %[1]q {}
  plugin "copy" {}
}
`, strategy)
	}
	return text
}

// A module is a plugin without more: it need not be executable, and its workers are the command.
func TestModule(t *testing.T) {
	t.Parallel()
	_, listeners := serveFile(t, moduleServers(t))
	require.Len(t, listeners, 3)
	for _, l := range listeners {
		requireEcho(t, l)
	}
}

// Workers read a module also where they may read little else, or are another user's, and leave nothing behind.
func TestModuleInProcesses(t *testing.T) {
	t.Parallel()
	processes := []string{`sandbox { read = ["/bin", "/usr", "/lib", "/lib64", "/etc/ld.so.cache"] }`}
	if os.Geteuid() == 0 {
		processes = append(processes, `user = "nobody"`, "user = \"nobody\"\n"+processes[0])
	}
	dir, file := t.TempDir(), ""
	require.NoError(t, os.WriteFile(filepath.Join(dir, "copy.wasm"), []byte(echoModule), 0o600))
	for _, strategy := range []string{"forking", "preforking"} {
		for n, process := range processes {
			file += fmt.Sprintf(`
server "%[1]s-%[2]d" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency %[1]q {}
  plugin "copy" {}
  process {
    %[3]s
  }
}
`, strategy, n, process)
		}
	}
	path := write(t, "servers.hcl", fmt.Sprintf("plugins { directory = %q }\n", dir)+file)
	kept, err := os.MkdirTemp("", "kept") // which another user may enter
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(kept) })
	require.NoError(t, os.Chmod(kept, 0o711))
	environment := append(os.Environ(), "RUNTIME_DIRECTORY="+kept)
	validate := exec.Command("socketserver", "validate", "-c", path)
	validate.Env = environment
	out, err := validate.CombinedOutput()
	require.NoError(t, err, "%s", out)
	serve := exec.Command("socketserver", "serve", "-c", path)
	serve.Env = environment
	p := start(t, t.TempDir(), serve)
	for _, l := range p.awaitListening(t) {
		requireEcho(t, l)
	}
	require.NoError(t, p.Process.Signal(os.Interrupt))
	<-p.ended
	left, err := os.ReadDir(kept)
	require.NoError(t, err)
	require.Empty(t, left)
}

// What keeps workers from reading a module is told before a client comes.
func TestModuleThatWorkersCannotRead(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can change the user")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "copy.wasm"), []byte(echoModule), 0o600))
	for _, strategy := range []string{"forking", "preforking"} {
		validate := exec.Command("socketserver", "validate", "-c", write(t, "servers.hcl", fmt.Sprintf(`
plugins { directory = %q }
server "one" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency %q {}
  plugin "copy" {}
  process { user = "nobody" }
}
`, dir, strategy)))
		validate.Env = append(os.Environ(), "TMPDIR="+dir, "RUNTIME_DIRECTORY=", "XDG_RUNTIME_DIR=")
		out, err := validate.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), "may not enter "+dir)
	}
}

func TestModuleHasNoOptions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "copy.wasm"), []byte(echoModule), 0o600))
	file := write(t, "servers.hcl", fmt.Sprintf(`
plugins { directory = %q }
server "one" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  plugin "copy" { volume = 3 }
}
`, dir))
	out, err := exec.Command("socketserver", "validate", "-c", file).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), `servers.hcl:6:19: server "one": plugin "copy": option "volume": there is no such option; declare it: plugin "copy" { option "volume" {} } beside the servers`)
}

// The limit of a module's memory is that of its plugin block.
func TestModuleMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	twoPages := strings.Replace(echoModule, "\x05\x03\x01\x00\x01", "\x05\x03\x01\x00\x02", 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "copy.wasm"), []byte(twoPages), 0o600))
	for _, c := range []struct{ plugin, memory, want string }{
		{"copy.wasm", "128KiB", "servers.hcl: 1 server, no errors"},
		{"copy.wasm", "64KiB", "copy.wasm cannot be compiled with 64 KiB of memory: section memory: min 2 pages"},
		{"copy.wasm", "1KiB", `servers.hcl:4:21: plugin "copy.wasm": limits: memory: "1KiB" is out of range; write it as in "64MiB"`},
		{"copy.wasm", "5GiB", "limits.memory of a WebAssembly module is at most 4GiB"},
	} {
		out, _ := exec.Command("socketserver", "validate", "-c", write(t, "servers.hcl", fmt.Sprintf(`
plugins { directory = %[1]q }
plugin %[2]q {
  limits { memory = %[3]q }
}
server "one" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  plugin %[2]q {}
}
`, dir, c.plugin, c.memory))).CombinedOutput()
		require.Contains(t, string(out), c.want)
	}
}

// The page's program is compiled and served as it says.
func TestModulePage(t *testing.T) {
	compiler := exec.Command("clang", "--target=wasm32-wasi", "--sysroot=/usr", "-o", os.DevNull, "-x", "c", "-")
	compiler.Stdin = strings.NewReader("#include <stdio.h>\nint main(void) { return puts(\"\"); }\n")
	if err := compiler.Run(); err != nil {
		t.Skipf("needs clang with the target wasm32-wasi: %v", err)
	}
	if inOwnNetwork(t) {
		return
	}
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "plugins"), 0o755))
	for _, f := range fences(t, "../../docs/wasm.md") {
		switch f.language {
		case "c":
			name, named := f.file("// ")
			require.True(t, named)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(f.text), 0o600))
		case "sh":
			command := exec.Command("sh", "-ec", f.text)
			command.Dir = dir
			out, err := command.CombinedOutput()
			require.NoError(t, err, "%s", out)
		case "console":
			transcript(t, dir, f)
		}
	}
}
