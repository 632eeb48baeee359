// Package docs has the documents that are manual pages, too.
package docs

import _ "embed"

// Configuration is the reference of servers.hcl.
//
//go:embed configuration.md
var Configuration string

// Command is what the commands have in common.
//
//go:embed command.md
var Command string
