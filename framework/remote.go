package framework

import "context"

// Remote runs the handlers of a class in another program. [HandlerClass.Remote] is such.
type Remote interface {
	// Worker is the process that finishes requests under Synchronous and Threading. It
	// waits while that is being started again, until ctx is done. One that has gone, see
	// [Worker.Gone], must not be returned.
	Worker(ctx context.Context) (*Worker, error)
	// Program is what Forking starts for its children.
	Program() *Program
}
