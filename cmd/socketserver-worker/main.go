// The server says how many processors a worker has, so its runtime need not find that out: 2 % of a start.
//
//go:debug containermaxprocs=0

// socketserver-worker is what a forking server runs for the handlers that are compiled in:
// a small program, as its start is part of every request. The command socketserver starts it;
// where it is not installed beside the command, the command runs itself instead.
package main

import (
	"fmt"
	"os"

	"github.com/go-socketserver/socketserver/handlers"
)

func main() {
	handlers.ServeWorker() // a worker first: this returns only where the process is none
	fmt.Fprintln(os.Stderr, "socketserver-worker: this program is started by socketserver, which finds it beside itself; run socketserver serve")
	os.Exit(2)
}
