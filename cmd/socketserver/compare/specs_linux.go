package compare

import (
	"slices"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
)

// Specs returns the servers that are compared.
func (c *Comparison) Specs() []subject.Spec { return slices.Clone(c.specs) }
