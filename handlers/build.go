package handlers

import (
	"embed"

	"github.com/go-socketserver/socketserver/framework"
)

// sourceFiles are those of the handlers, also of those that are added.
//
//go:embed *.go */*.go
var sourceFiles embed.FS

// Build names the source of the framework and of the handlers, for [framework.Build].
func Build() string { return framework.Fingerprint(sourceFiles) }
