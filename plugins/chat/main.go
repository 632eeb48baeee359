// The handler chat as a plugin: the same constructor as the one that is compiled in.
package main

import (
	"github.com/go-socketserver/socketserver/framework/plugin"
	"github.com/go-socketserver/socketserver/handlers/chat"
	"github.com/go-socketserver/socketserver/handlers/chat/natsbus"
)

func main() {
	chat.Buses = natsbus.Driver{}
	plugin.Serve(chat.Constructor)
}
