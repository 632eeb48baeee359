package framework

import "github.com/go-socketserver/socketserver/framework/internal/process"

// ProcessesStarted is how many processes this program has started to run handlers in since
// it began: children of every strategy, also spares and those that were only asked what
// they are, and plugins. On systems without them it is 0.
func ProcessesStarted() int64 { return process.Started() }
