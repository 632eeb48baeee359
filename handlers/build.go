package handlers

import (
	"embed"

	"github.com/go-socketserver/socketserver/framework"
)

// sourceFiles are the sources of the handlers, including those added later. No pattern matches a
// test.
//
//go:embed *[^t].go */*[^t].go */*[^s]t.go */*/*[^t].go */*/*[^s]t.go
var sourceFiles embed.FS

// Build returns the fingerprint of the framework's and handlers' sources, for [framework.Build].
func Build() string { return framework.Fingerprint(sourceFiles) }
