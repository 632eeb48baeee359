# Read by socketserver.service. All .hcl files of this directory are one configuration:
# `socketserver validate -c /etc/socketserver` checks it.

server "timestamp" {
  transport "tcp" { address = "localhost:21567" }
  transport "udp" { address = "localhost:21567" }

  concurrency "threading" {}

  handler "timestamp" { framing = "chunk" }
}
