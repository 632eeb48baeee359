package handlers

import (
	"embed"

	"github.com/go-socketserver/socketserver/framework"
)

// sourceFiles are those of the handlers, also of those that are added. No pattern matches a
// test.
//
//go:embed *[^t].go */*[^t].go */*[^s]t.go
var sourceFiles embed.FS

// Build names the source of the framework and of the handlers, for [framework.Build].
func Build() string { return framework.Fingerprint(sourceFiles) }
