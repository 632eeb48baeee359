// The handler echo as a plugin: the same constructor as the one that is compiled in.
package main

import (
	"github.com/go-socketserver/socketserver/framework/plugin"
	"github.com/go-socketserver/socketserver/handlers/echo"
)

func main() { plugin.Serve(echo.Constructor) }
