package client

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTranscript(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "transcript")
	for range 2 {
		transcript, err := OpenTranscript(path)
		require.NoError(t, err)
		_, err = hold(t, Settings{Address: serve(t, chunks), Mode: Ask, Framing: Chunk, Transcript: transcript}, "one\n\x1b[2J\xff\r\n")
		require.NoError(t, err)
		require.NoError(t, transcript.Close())
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	conversation := `(?m)(.* > one\n.* < \[one\]\n.* > \\x1b\[2J\\xff\\r\n.* < \[\\x1b\[2J\\xff\\r\]\n)`
	require.Regexp(t, "^"+conversation+"{2}$", string(text))
	require.Regexp(t, regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d) > one\n`), string(text))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

// What a connection leaves unfinished is there, and is not continued by the next one.
func TestTranscriptUnfinished(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "transcript")
	transcript, err := OpenTranscript(path)
	require.NoError(t, err)
	address := serve(t, func(conn net.Conn) {
		if until(conn, "\n") == nil {
			_, _ = io.WriteString(conn, "\xa0 half \xe4\xbd")
		}
	})
	_, err = hold(t, Settings{Address: address, Mode: Each, Transcript: transcript}, "one\ntwo\n")
	require.NoError(t, err)
	transcript.add('>', []byte("x\xe4"))
	require.NoError(t, transcript.Close())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	half := `\S+ < \\xa0 half \n\S+ < \\xe4\\xbd\n`
	require.Regexp(t, `^\S+ > one\\n\n`+half+`\S+ > two\\n\n`+half+`\S+ > x\n\S+ > \\xe4\n$`, string(text))
}

// A message is a line, whatever is in it.
func TestTranscriptLines(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "transcript")
	transcript, err := OpenTranscript(path)
	require.NoError(t, err)
	transcript.add('<', []byte("one\n2026-11-21 > forged\r\n"))
	require.NoError(t, transcript.Close())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Regexp(t, `^\S+ < one\\n2026-11-21 > forged\\r\\n\n$`, string(text))
}

func TestTranscriptRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "plugins", "chat"), 0o755))
	require.NoError(t, os.Symlink(filepath.Join(dir, "plugins", "chat"), filepath.Join(dir, "link")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "program"), nil, 0o755))
	require.NoError(t, os.Symlink(filepath.Join(dir, "plugins", "file"), filepath.Join(dir, "dangling")))
	for path, want := range map[string]string{
		"plugins/t": "choose another directory", "plugins/chat/t": "choose another directory", "link/t": "choose another directory",
		"program": "no plain file", "plugins": "no plain file", "dangling": "no plain file", "missing/t": "a directory that exists",
	} {
		_, err := OpenTranscript(filepath.Join(dir, path))
		require.ErrorContains(t, err, want, path)
	}
	var none *Transcript
	require.NoError(t, none.Close())
}
