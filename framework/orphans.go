package framework

import "github.com/go-socketserver/socketserver/framework/internal/process"

// AdoptOrphans is for a program that is nothing but a server, and for process 1 of a container.
// What a handler has started and left behind, in any process, becomes a child of this process
// when its parent has gone, and is reaped when it ends. The statuses of own children stay with
// those that wait for them. The end that it returns is called last; see [EndOrphans].
func AdoptOrphans() (end func()) {
	process.AdoptOrphans()
	return process.EndOrphans
}

// EndOrphans kills the processes that were adopted since [AdoptOrphans], and what they have
// started.
func EndOrphans() { process.EndOrphans() }
