package plugin

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/go-socketserver/socketserver/internal/text"
)

// looked is what a look at a file has shown.
type looked struct {
	kind Kind
	why  string // as a phrase
}

// isRead reports whether files of the kind are read by another program, so that they need not be
// executable.
func (l looked) isRead() bool { return l.kind == Python || l.kind == Wasm }

// servesInPython matches the line of a Python script that makes it a plugin: it imports socketserver, or
// what has servers of it, or has a coroutine for streams. Python 2 is refused by name.
var servesInPython = sync.OnceValue(func() *regexp.Regexp { // it would cost each plugin a hundredth of its start
	return regexp.MustCompile(`(?m)^[ \t]*(import[ \t]+([\w., \t]*,[ \t]*)?|from[ \t]+)(socketserver|SocketServer|http\.server|xmlrpc\.server)\b|^async[ \t]+def[ \t]+handle[ \t]*\(`)
})

// opensOwnPort is why a Python script that listens by itself is run for each request.
const opensOwnPort = "a .py file that opens a port of its own, and has no server or handler"

// opensPort matches what a Python script says that listens by itself: it has sockets, and gives one its address.
var opensPort = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?ms)^[ \t]*(import|from)[ \t]+[^\n]*\b(socket|asyncio)\b.*^[^#\n]*(\.bind[ \t]*\(|\b(create_server|start_server|start_unix_server)[ \t]*\()`)
})

// maxScript is how much of a Python script is looked at.
const maxScript = 1 << 20

// kindOf looks at a regular file: at all of it only where it is executable, as others may be data of any
// size. A file that cannot be read is for the system to run, or not.
func kindOf(path string, executable bool) looked {
	stdio := looked{Stdio, "an executable that is nothing else"}
	f, err := os.Open(path)
	if err != nil {
		return stdio
	}
	defer f.Close()
	head := make([]byte, 4)
	n, _ := io.ReadFull(f, head)
	switch {
	case string(head[:n]) == "\x00asm":
		return looked{Wasm, "it begins as a WebAssembly module"}
	case filepath.Ext(path) == ".py":
		text, err := io.ReadAll(io.NewSectionReader(f, 0, maxScript))
		if err == nil && servesInPython().Match(text) {
			return looked{Python, "a .py file with a server or handler"}
		}
		if err == nil && opensPort().Match(text) {
			stdio.why = opensOwnPort
			return stdio
		}
	}
	if executable && contains(f, handshake.MagicCookieKey) {
		return looked{Go, "an executable that contains " + handshake.MagicCookieKey}
	}
	if string(head[:min(n, 2)]) == "#!" {
		stdio.why = "a script"
	}
	return stdio
}

// contains reports whether f has the text somewhere.
func contains(f *os.File, text string) bool {
	buf, kept := make([]byte, 256<<10), 0
	for at := int64(0); ; {
		n, err := f.ReadAt(buf[kept:], at)
		at += int64(n)
		n += kept
		if bytes.Contains(buf[:n], []byte(text)) {
			return true
		}
		if err != nil {
			return false
		}
		kept = copy(buf, buf[n-len(text):n]) // it may be cut in two
	}
}

// byteOrderMark is what some editors of Windows begin a text with.
const byteOrderMark = "\xef\xbb\xbf"

// checkInterpreter returns an error if it is a script that the system cannot run, or whose
// interpreter another user could change. The system's own error would name the script, whatever is
// missing.
func (f *found) checkInterpreter() error {
	path, kind := f.Path, f.Kind
	head, err := headOf(path)
	if err != nil {
		return nil // it may be executed all the same
	}
	line, _, whole := strings.Cut(string(head), "\n")
	line, script := strings.CutPrefix(line, "#!")
	fields := strings.Fields(line)
	switch {
	case kind == Python && (!script || len(fields) == 0): // it runs under python3 of the PATH
		return nil
	case !script && isObject(head):
		return fmt.Errorf("%s is an object file, and no program; link it, as by cc without -c", path)
	case !script && bytes.HasPrefix(head, []byte(elf)) && len(head) < 52: // the shorter of both headers
		return fmt.Errorf("%s begins as a program and ends after %d bytes (exec format error); build or copy it again", path, len(head))
	case !script && bytes.HasPrefix(head, []byte(byteOrderMark+"#!")):
		return fmt.Errorf("%s begins with a byte order mark in place of #! (exec format error); run: sed -i '1s/^\\xEF\\xBB\\xBF//' %s", path, text.ShellWord(path))
	case !script && isText(head):
		return fmt.Errorf("%s is a text without a first line that names its interpreter (exec format error); begin it with #!/bin/sh or the like", path)
	case !script:
		return nil
	case len(fields) == 0:
		return fmt.Errorf("%s names no interpreter behind #! (exec format error); begin it with #!/bin/sh or the like", path)
	case whole && kind != Python && strings.HasSuffix(line, "\r"):
		return fmt.Errorf("%s has lines that end with CR and LF, so that its interpreter is %q, which does not exist; run: sed -i 's/\\r$//' %s", path, fields[0]+"\r", text.ShellWord(path))
	}
	name := fields[0]
	installed := exists(name)
	if installed && filepath.Base(name) == "env" && !slices.ContainsFunc(f.Environment, func(v string) bool { return strings.HasPrefix(v, "PATH=") }) {
		name = cmp.Or(behindEnv(fields[1:]), name)
		_, missing := exec.LookPath(name)
		installed = missing == nil
	}
	if kind == Python && (name == "python3" || filepath.Base(name) == "python") { // python3 of the PATH does
		installed = true
	}
	if !installed {
		return fmt.Errorf("%s is a script for %s, which is not installed", path, name)
	}
	for _, word := range fields { // those behind env are an interpreter, too
		if filepath.IsAbs(word) && exists(word) {
			err = errors.Join(err, checkLinks(word, filepath.Dir(word)))
		}
	}
	return err
}

// headOf returns the beginning of a file, as much as the system looks at for an interpreter.
func headOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 256)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return head[:n], nil
}

// behindEnv returns the program that env runs with such arguments; empty: that takes more than a look.
func behindEnv(args []string) string {
	for _, word := range args {
		switch {
		case word == "-S":
		case strings.HasPrefix(word, "-"), strings.HasPrefix(word, "PATH="), strings.ContainsAny(word, `'"\\$`):
			return ""
		case !strings.Contains(word, "="):
			return word
		}
	}
	return ""
}

// elf is how programs and object files of Linux begin.
const elf = "\x7fELF"

// isObject reports whether a file that begins so is what a compiler makes for a linker.
func isObject(head []byte) bool {
	return len(head) > 17 && bytes.HasPrefix(head, []byte(elf)) && head[16]^head[17] == 1 // ET_REL, in either order of bytes
}

// isText reports whether a file that begins so cannot be a program.
func isText(head []byte) bool {
	for _, b := range head {
		if b == 0x7f || b < ' ' && b != '\t' && b != '\n' && b != '\r' && b != '\f' && b != 0x1b {
			return false
		}
	}
	return true
}

// executed returns what a process that runs path has to execute, and to read, besides its image: a script and the
// interpreter that its first line names. The script of an interpreter that is run itself is only read.
func (s *Settings) executed(path string) (execute, read []string) {
	if s.script != "" {
		return nil, []string{s.script}
	}
	line, err := firstLine(path)
	line, script := strings.CutPrefix(line, "#!")
	if err != nil || !script {
		return nil, nil
	}
	if s.sealed == "" { // else it is inherited
		execute, read = []string{path}, []string{path}
	}
	if fields := strings.Fields(line); len(fields) > 0 {
		execute = append(execute, fields[0])
		if filepath.Base(fields[0]) == "env" {
			if found, err := exec.LookPath(behindEnv(fields[1:])); err == nil {
				execute = append(execute, found)
			}
		}
	}
	return execute, read
}
