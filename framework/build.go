package framework

import (
	"embed"

	"github.com/go-socketserver/socketserver/internal"
)

// Build names the source that this program was built from, or is nil where nobody knows.
// A worker of another Build than its server is not used: it would run other handlers than
// the server knows. A program whose workers are another program sets it in both before
// ServeWorker. It is a function, as most workers are not asked.
var Build func() string

func build() string {
	if Build == nil {
		return ""
	}
	return Build()
}

// sourceFiles are those of this package and of the packages below it that a worker links. No
// pattern matches a test, which would be carried along at every start of a worker.
//
//go:embed *[^t].go *[^s]t.go *[^t]est.go
//go:embed hub/*[^t].go internal/*/*[^t].go internal/*/*[^s]t.go
var sourceFiles embed.FS

// Fingerprint names the source of the framework together with that of others, for [Build].
// It depends on nothing else: two programs built from one tree have the same, even if they
// were not built from a repository. It finds builds that differ by mistake, not by malice.
func Fingerprint(others ...embed.FS) string {
	return internal.Sum(append(others, sourceFiles, internal.Source)...)
}
