// The server says how many processors a worker has, so its runtime need not find that out: 2 % of a start.
//
//go:debug containermaxprocs=0

// socketserver-worker-tls is socketserver-worker for processes that end TLS themselves: workers of preforking, and
// children that serve several requests. It is a program of its own, as linking crypto/tls makes each start dearer.
package main

import (
	"fmt"
	"os"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/handlers"
)

func main() {
	framework.RestoreLayer = layer.Restore
	handlers.ServeWorker() // a worker first: this returns only where the process is none
	fmt.Fprintln(os.Stderr, "socketserver-worker-tls: this program is started by socketserver, which finds it beside itself; run socketserver serve")
	os.Exit(2)
}
