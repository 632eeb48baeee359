package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// A Python script is configured with the strategy, so that a server that changes from threading to
// forking needs a new process, and one that keeps its strategy does not.
func TestStrategyIsPartOfAPythonHandler(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(dir+"/plugins", 0o755))
	require.NoError(t, os.WriteFile(dir+"/plugins/none.py", []byte("import socketserver\nclass H(socketserver.StreamRequestHandler): pass\n"), 0o644))
	handler := func(concurrency string) config.Handler {
		c := newCatalog(t.Context(), logFlags{level: "error"})
		defer c.close()
		conf, err := config.Parse(dir+"/servers.hcl", []byte(`server "s" {
  transport "tcp" { address = "localhost:0" }
  concurrency "`+concurrency+`" {}
  plugin "none" {}
}`), c)
		require.NoError(t, err)
		return conf.Servers[0].Handler
	}
	threading := handler("threading")
	require.Equal(t, threading, handler("threading"))
	require.NotEqual(t, threading, handler("forking"))
}
