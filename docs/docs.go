// Package docs has the documents that the command reads, too.
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

// Report is the JSON Schema of the reports of compare.
//
//go:embed compare.schema.json
var Report []byte
