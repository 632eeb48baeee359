# The servers that `socketserver serve` runs. Each is three choices: a transport, a
# concurrency strategy and a handler. Everything listens on loopback only; to serve
# others, write "0.0.0.0:PORT", "[::]:PORT" or ":PORT".

# Answers whatever arrives with the time and the text: timestamp servers as they
# were written for a first lesson in sockets. Clients send without a newline.
server "timestamp" {
  transport "tcp" { address = "localhost:21567" }
  transport "udp" { address = "localhost:21567" }

  concurrency "threading" {} # change this word to compare

  handler "timestamp" { framing = "chunk" }
}

# One line per connection, each in a process of its own. Port 21567 in the originals.
server "timestamp-line" {
  transport "tcp" { address = "localhost:21566" }

  concurrency "forking" {}

  handler "timestamp" { requests = 1 }
}

server "hello" {
  transport "tcp" { address = "localhost:12345" }

  concurrency "threading" {}

  handler "timestamp" {
    framing = "chunk"
    format  = "Hi,you send me :[{time}] {data}"
  }
}

# "quit" closes the connection. With quit = "server" it stops this server, as it did in
# the original, which every client could do.
server "quit" {
  transport "tcp" { address = "localhost:1122" }

  concurrency "threading" {}

  handler "timestamp" {
    framing = "chunk"
    format  = "{client_ip}发送给我的信息是:{data}"
    quit    = "connection"
  }
}

# time, date, os, ls: each client has a process of its own, taken from four that wait.
server "command" {
  transport "tcp" { address = "localhost:50006" }

  concurrency "forking" {
    spares       = 4
    max_requests = 100
  }

  handler "command" { root = "." }
}

server "echo" {
  transport "tcp" { address = "localhost:50007" }

  concurrency "threading" {}

  handler "echo" {}
}

# Each client receives what the others send, without names, as in the original.
server "room" {
  transport "tcp" { address = "localhost:21568" }

  concurrency "threading" {}

  handler "chat" {}
}

# A room with names: newcomers see who is there, and /help lists the commands.
server "lobby" {
  transport "tcp" { address = "localhost:21570" }
  transport "websocket" { address = "localhost:21573" } # for browsers

  concurrency "threading" {}

  handler "chat" { commands = true }
}

# Two by two: a client first sends its name and its partner's, as in name:alice to:bob. Port
# 21568 in the originals.
server "pairs" {
  transport "tcp" { address = "localhost:21569" }

  concurrency "threading" {}

  handler "chat" {
    mode             = "pairs"
    settings_timeout = "30s" # for people who type; the default of 3s is for programs
  }

  limits { connections = 500 }
}

# One client at a time talks with the operator at "socketserver console half-duplex", in turns.
# Port 50006 in the originals.
server "half-duplex" {
  transport "tcp" { address = "localhost:50008" }

  concurrency "threading" {}

  handler "chat" { mode = "half-duplex" }

  limits { connections = 20 } # in the queue; more clients wait in the system's backlog
}

# The same without turns. Port 50007 in the originals.
server "full-duplex" {
  transport "tcp" { address = "localhost:50009" }

  concurrency "threading" {}

  handler "chat" { mode = "full-duplex" }

  limits { connections = 20 }
}

# Answers each line with its number, of all clients: a state that threads share.
server "counter" {
  transport "tcp" { address = "localhost:21571" }

  concurrency "threading" {}

  handler "counter" {}
}

# The same in processes, which share the state that the server keeps for them.
server "counter-workers" {
  transport "tcp" { address = "localhost:21572" }

  concurrency "preforking" { workers = 2 }

  handler "counter" {}
}

# Logs the datagrams that it receives, one after the other, and never answers.
server "sink" {
  transport "udp" { address = "localhost:8081" }

  concurrency "synchronous" {}

  handler "sink" {}
}

# A handler in a program of its own: plugins/shout, built when the server starts.
server "shout" {
  transport "tcp" { address = "localhost:9000" }

  concurrency "threading" {}

  plugin "shout" {}
}
