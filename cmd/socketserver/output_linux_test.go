package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A recording that cannot be written is an error when that happens, and at the end of the theatre, which goes on.
func TestTheatreRecordsOntoAFullDisk(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), exec.Command("socketserver", "theatre", "--no-browser", "--record", "/dev/full"))
	require.Contains(t, p.awaitText(t, "the recording ends here"), "write /dev/full: no space left on device")
	p.signal(t, os.Interrupt)
	require.Equal(t, exitFailed, p.exit(t))
}

// A report that cannot be saved is shown.
func TestCompareSavesOntoAFullDisk(t *testing.T) {
	t.Parallel()
	c := exec.Command("socketserver", "compare", "-q", "--mishaps=false", "--duration", "60ms", "--rounds", "1", "--clients", "1", "--strategies", "threading", "--loads", "connections", "-o", "csv", "--save", "/dev/full")
	out, err := c.Output()
	exit := (*exec.ExitError)(nil)
	require.ErrorAs(t, err, &exit)
	require.Equal(t, exitFailed, exit.ExitCode())
	require.Contains(t, string(exit.Stderr), "write /dev/full: no space left on device")
	require.Contains(t, string(out), "threading")
}

// A pipe that nobody reads is an error, and no wait for a reader.
func TestOutputToAPipeThatNobodyReads(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, args := range [][]string{{"compare", "-q", "--save", pipe}, {"theatre", "--no-browser", "--record", pipe}} {
		out, err := says(append([]string{"socketserver"}, args...)...)
		require.Equal(t, exitFailed, exitCode(err), out)
		require.Contains(t, out, "nothing reads the pipe "+pipe)
	}
}

// What cannot be printed is a failure, also where something else has been done.
func TestOutputThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "plugins"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plugins", "cat.sh"), []byte("#!/bin/sh\ncat\n"), 0o755))
	c := exec.Command("socketserver", "plugin", "lock")
	c.Dir, c.Stdout = dir, full
	require.Equal(t, exitFailed, exitCode(c.Run()))
	require.FileExists(t, filepath.Join(dir, "plugins.lock"))
}

// A file of which the disk took only a part is not left to keep the next try from writing it.
func TestInitOntoAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := exec.Command("sh", "-c", "ulimit -f 0; trap '' XFSZ; exec socketserver init")
	c.Dir = dir
	out, err := c.CombinedOutput()
	require.Equal(t, exitFailed, exitCode(err), "%s", out)
	require.Contains(t, string(out), "servers.hcl: file too large")
	require.NoFileExists(t, filepath.Join(dir, "servers.hcl"))
}
