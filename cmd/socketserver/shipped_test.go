package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestShipped runs the shipped configuration, as in a fresh checkout. It is the only test
// that needs fixed ports.
func TestShipped(t *testing.T) {
	if inOwnNetwork(t) {
		return
	}
	dir := source(t)
	p := startShipped(t, dir)
	listeners := p.awaitListening(t)
	t.Run("ports", func(t *testing.T) { shippedPorts(t, listeners) })
	t.Run("readme", func(t *testing.T) { guide(t, dir, "README.md") })
	t.Run("chat", func(t *testing.T) { replayPage(t, dir, "handlers/chat/README.md") })
	t.Run("again", func(t *testing.T) { startAgain(t, dir, p) })
}

func startShipped(t *testing.T, dir string) *process {
	return start(t, dir, exec.Command("socketserver", "serve", "--log-format", "json"))
}

// source copies this module, so that what the README has a reader write does not end up
// here.
func source(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "socketserver")
	copyTree := exec.Command("sh", "-c", `mkdir "$2" && cd "$1" && tar -cf - --exclude=.git . | tar -xf - -C "$2"`, "sh", root, dir)
	out, err := copyTree.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

// shippedPorts are those that the documentation names, on both loopback addresses.
func shippedPorts(t *testing.T, listeners []listener) {
	var got []string
	for _, l := range listeners {
		if host, ok := strings.CutPrefix(l.address, "127.0.0.1:"); ok {
			got = append(got, l.network+" "+host)
		}
	}
	slices.Sort(got)
	require.Equal(t, []string{
		"tcp 1122", "tcp 12345", "tcp 21566", "tcp 21567", "tcp 21568", "tcp 21569", "tcp 21570", "tcp 21571", "tcp 21572", "tcp 21573",
		"tcp 50006", "tcp 50007", "tcp 50008", "tcp 50009", "tcp 9000",
		"udp 21567", "udp 8081",
	}, got)
	require.Len(t, listeners, families()*len(got))
}

// startAgain starts once more, and nothing is built again.
func startAgain(t *testing.T, dir string, p *process) {
	p.await(t, "built")
	p.signal(t, syscall.SIGTERM)
	require.Zero(t, p.exit(t))
	again := startShipped(t, dir)
	again.await(t, "ready")
	built, _ := again.take(func(e event) bool { return e["@message"] == "built" })
	require.Nil(t, built)
	again.signal(t, syscall.SIGTERM)
	require.Zero(t, again.exit(t))
}
