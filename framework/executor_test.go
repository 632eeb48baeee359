package framework_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// isolating counts the requests that it executes at once, each until its client has left.
type isolating struct{ begun chan struct{} }

func (e isolating) Execute(r *framework.Request) error {
	e.begun <- struct{}{}
	_, err := r.Conn().Read(make([]byte, 1))
	return err
}

// A class whose executor isolates requests is only bounded by Forking, and refused by Preforking.
func TestExecutorThatIsolatesRequests(t *testing.T) {
	begun := make(chan struct{}, 3)
	class := &framework.HandlerClass{Executor: isolating{begun}, Isolates: true}
	forking := &framework.Forking{MaxChildren: 2}
	s := frameworktest.NewServer(t, "tcp", class)
	s.Strategy = forking
	frameworktest.Serve(t, s)
	first := frameworktest.Dial(t, s)
	frameworktest.Dial(t, s)
	frameworktest.Dial(t, s)
	frameworktest.Await(t, begun)
	frameworktest.Await(t, begun)
	require.Empty(t, begun, "max_children is 2")
	require.NoError(t, first.Close())
	frameworktest.Await(t, begun)
	require.Empty(t, forking.ActiveChildren())

	s = frameworktest.NewServer(t, "tcp", class)
	s.Strategy = &framework.Preforking{}
	require.ErrorContains(t, s.Listen(), "there is no program that workers could run the requests of this handler class in")
}

// unavailable is an executor that cannot execute anything, as a process that it needs has not started.
type unavailable struct{ why error }

func (u unavailable) Execute(*framework.Request) error {
	return &framework.UnavailableError{Text: "later\n", Err: fmt.Errorf("last because: %w", u.why)}
}

// A client whose request nothing can serve is told so, and does not wait for what that lacked.
func TestUnavailableForWantOfDescriptors(t *testing.T) {
	for _, why := range []error{syscall.EMFILE, syscall.ENFILE} {
		s := frameworktest.NewServer(t, "tcp", &framework.HandlerClass{Executor: unavailable{why}})
		frameworktest.Serve(t, s)
		require.Equal(t, "later\n", frameworktest.End(t, frameworktest.Dial(t, s)))
	}
}
