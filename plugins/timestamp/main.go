// The handler timestamp as a plugin: the same constructor as the one that is compiled in.
package main

import (
	"github.com/go-socketserver/socketserver/framework/plugin"
	"github.com/go-socketserver/socketserver/handlers/timestamp"
)

func main() { plugin.Serve(timestamp.Constructor) }
