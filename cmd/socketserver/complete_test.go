package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// complete returns what a shell is offered for a command line, and its directive.
func complete(t *testing.T, args ...string) []string {
	t.Helper()
	var out bytes.Buffer
	require.Zero(t, run(append([]string{"__completeNoDesc"}, args...), strings.NewReader(""), &out, &bytes.Buffer{}))
	return strings.Fields(out.String())
}

func TestCompletions(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir()) // operators of other servers are completed, too
	t.Setenv("TMPDIR", t.TempDir())
	require.NoError(t, os.WriteFile("servers.hcl", []byte("server \"one\" {}\nserver \"two\" { nonsense = }\n"), 0o644))
	require.NoError(t, os.WriteFile("other.hcl", []byte("server \"three\" {}\nserver \"four\" {}\n"), 0o644))
	for _, name := range []string{"plugins/upper", "programs/lower"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte("#!/bin/sh\n"), 0o755))
	}
	for line, want := range map[string]string{
		"serve --concurrency ":               "forking preforking synchronous threading :4",
		"serve --concurrency f":              "forking :4",
		"serve --handler ":                   "chat command counter echo sink timestamp :4",
		"serve --handler=e":                  "echo :4",
		"serve --plugin ":                    "upper :4",
		"serve --plugins programs --plugin ": "lower :4",
		"serve --plugins ":                   ":16",
		"serve --listen ":                    "tcp:// udp:// unix:// unixpacket:// unixgram:// vsock:// tls:// ws:// wss:// :6",
		"serve --handler echo --set ":        "framing= :6",
		"serve --set ":                       ":6",
		"serve --log-level ":                 "trace debug info warn error :4",
		"serve --log-format t":               "text :4",
		"serve -c ":                          "hcl :8",
		"serve -c other.hcl --console ":      "three four :4",
		"serve ":                             ":4",
		"validate -c ":                       "hcl :8",
		"validate --log-format ":             "json text :4",
		"compare --server ":                  ":4",
		"compare -c other.hcl --server t":    "three :4",
		"compare --strategies s":             "synchronous :6",
		"compare --strategies threading,t":   ":6",
		"compare --strategies threading,s":   "threading,synchronous :6",
		"compare --loads connections,":       "connections,conversations connections,datagrams :6",
		"compare -o ":                        "text markdown csv json html :4",
		"compare --duration ":                ":4",
		"connect --mode ":                    "duplex ask each once :4",
		"connect --framing ":                 "line chunk :4",
		"connect --ca ":                      "pem crt :8",
		"connect --transcript ":              ":0",
		"connect t":                          "tcp:// tls:// :6",
		"connect tcp://localhost:1 ":         ":4",
		"handlers ":                          "chat command counter echo sink timestamp upper :4",
		"handlers echo ":                     "chat command counter sink timestamp upper :4",
		"console ":                           ":4",
		"console ./":                         ":0",
		"fmt ":                               "hcl :8",
		"man ":                               ":16",
		"version ":                           ":4",
	} {
		t.Run(line, func(t *testing.T) {
			require.Equal(t, want, strings.Join(complete(t, strings.Split(line, " ")...), " "))
		})
	}
}
