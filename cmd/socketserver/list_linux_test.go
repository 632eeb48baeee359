package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHandlersDescribesPlugins(t *testing.T) {
	plugins, err := filepath.Abs("../../plugins")
	require.NoError(t, err)
	out, err := exec.Command("socketserver", "handlers", "--plugins", plugins, "shout", "sink").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `(?s)^shout: a plugin in .*\n  transports: tcp, .*\nsink: `, string(out))
	out, err = exec.Command("socketserver", "handlers", "--plugins", plugins, "shuot").CombinedOutput()
	require.ErrorContains(t, err, "status 2")
	require.Contains(t, string(out), `there is no handler "shuot" compiled in, and no plugin in `+plugins+`; did you mean "shout"?`)
}

// Every command that prints fails if it cannot.
func TestFullOutput(t *testing.T) {
	configuration := write(t, "servers.hcl", "server \"a\" {\n  transport \"tcp\" { address = \"localhost:0\" }\n  concurrency \"threading\" {}\n  handler \"echo\" {}\n}\n")
	ugly := write(t, "ugly.hcl", "a  =  1\n")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	for _, args := range [][]string{
		{"handlers"},
		{"handlers", "echo"},
		{"version"},
		{"--version"},
		{"completion", "bash"},
		{"completion", "fish"},
		{},
		{"--help"},
		{"help", "serve"},
		{"serve", "--help"},
		{"validate", "-c", configuration},
		{"man", t.TempDir()},
		{"fmt", "--diff", ugly},
		{"fmt", "--check", ugly},
		{"fmt", ugly},
	} {
		c := exec.Command("socketserver", args...)
		c.Stdout = full
		var stderr bytes.Buffer
		c.Stderr = &stderr
		require.ErrorContains(t, c.Run(), "exit status 1", args)
		require.Regexp(t, "^(socketserver: )?write /dev/stdout: no space left on device\n$", stderr.String(), args)
	}
}
