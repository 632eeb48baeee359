// Shout answers every line in capitals. It is a whole plugin: copy this directory to
// plugins/NAME, change what Handle does, and name it in servers.hcl:
//
//	plugin "NAME" {}
//
// It is built when a server that names it starts. What it prints is in the server's log.
package main

import (
	"bufio"
	"io"
	"strings"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

func main() { plugin.Serve(framework.Func(shout)) }

// shout serves one connection, or one datagram. A line of more than 64 KiB is an error,
// which ends the connection and is logged.
func shout(rfile *bufio.Reader, wfile io.Writer) error {
	lines := bufio.NewScanner(rfile)
	for lines.Scan() {
		if _, err := io.WriteString(wfile, strings.ToUpper(lines.Text())+"\n"); err != nil {
			return err
		}
	}
	return lines.Err()
}
