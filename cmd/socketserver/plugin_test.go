package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// talkative is a plugin that prints what it is sent, and answers it.
func talkative() {
	plugin.Serve(framework.Func(func(rfile *bufio.Reader, wfile io.Writer) error {
		line, err := rfile.ReadString('\n')
		if err != nil {
			return err
		}
		fmt.Print("heard ", line)
		fmt.Fprint(os.Stderr, "also ", line)
		_, err = io.WriteString(wfile, line)
		return err
	}))
}
