# The servers that `socketserver serve` runs. Each is three choices: a transport, a concurrency
# strategy and a handler. `socketserver validate` checks them, and `socketserver reload` applies a
# change while they serve. The reference is servers.hcl(5), or docs/configuration.md.

# What lies in plugins/ beside this file is a plugin: a script, a program, a directory with a main.go.
# `socketserver plugin new greet --lang sh` writes one.
# plugins { directory = "plugins" }

# For every server; what a server has itself overrides it.
defaults {
  timeouts {
    idle  = "2m"  # without a byte in either direction
    drain = "10s" # that requests have when the server stops
  }
}

server "echo" {
  # "tcp", "udp", "unix" or "unixgram"; several may be there. localhost is this machine alone,
  # and ":9000" is for everybody.
  transport "tcp" { address = "localhost:9000" }

  # "synchronous": one request at a time. "threading": a goroutine for each. "forking": a process for
  # each. "preforking": workers that share the socket. Change the word to compare.
  concurrency "threading" {}

  # Compiled in, see `socketserver handlers`; or a plugin: plugin "greet.sh" {}
  handler "echo" { framing = "line" }

  limits {
    connections = 1000
    per_source  = 64 # of them, from one address
  }
}

# Where `socketserver status`, `reload` and the others reach the daemon. The default is
# $XDG_RUNTIME_DIR/socketserver/admin.sock. Where that is not set, name one here, and with --admin.
# admin { socket = "admin.sock" } # beside this file

# metrics { address = "localhost:9090" } # for Prometheus
