package framework_test

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// What a request needs to begin may be gone once its client has been accepted. It begins when that is there again.
func TestAcceptedClientWaitsForDescriptors(t *testing.T) {
	for name, change := range map[string]func(*framework.BaseServer){
		"started": func(*framework.BaseServer) {},
		"limited": func(s *framework.BaseServer) {
			s.Strategy = &framework.Forking{Command: &framework.Program{Restrictions: framework.Restrictions{Files: 100}}}
		},
		"relayed": func(s *framework.BaseServer) { s.Layers = []framework.Layer{passing{}} },
		"kept": func(s *framework.BaseServer) {
			s.Strategy, s.Layers = &framework.Forking{MaxRequests: 2, Spares: 1}, []framework.Layer{passing{}}
		},
		"datagram": nil,
	} {
		t.Run(name, func(t *testing.T) {
			network := "tcp"
			if change == nil {
				network = "udp"
			}
			s := newServer[network](t, class(t, act))
			s.Strategy = &framework.Forking{}
			if change != nil {
				change(s)
			}
			log := logOf(s)
			room, restore := 0, func() {}
			if name == "relayed" {
				room = 2 // the relay itself can be made
			}
			s.VerifyRequest = func(*framework.Request) bool {
				restore = leave(t, room)
				return true
			}
			frameworktest.Serve(t, s)
			conn := frameworktest.Dial(t, s)
			frameworktest.Send(t, conn, "echo here\n")
			require.Contains(t, log.Await(t, "request waits to begin"), "ulimit -n")
			restore()
			frameworktest.Expect(t, conn, "here\n")
		})
	}
}

// A server that has no request takes one where the descriptors suffice for that, and has nothing to report before it comes.
func TestIdleServerTakesAClientWithFewDescriptors(t *testing.T) {
	s := newServer["tcp"](t, class(t, act))
	s.Strategy = &framework.Forking{}
	failed := make(chan error, 1)
	s.Trace = &framework.Trace{AcceptFailed: func(err error) {
		select {
		case failed <- err:
		default:
		}
	}}
	require.NoError(t, s.Listen())
	leave(t, 28)
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "hold\n")
	frameworktest.Expect(t, conn, "holding\n")
	require.ErrorIs(t, frameworktest.Await(t, failed), syscall.EMFILE) // the next client has to wait
	frameworktest.Send(t, conn, "all\n")
	frameworktest.Expect(t, conn, "released all\n")
}

// leave lets this process open so many more descriptors, until restore.
func leave(t *testing.T, room int) (restore func()) {
	var limit syscall.Rlimit
	assert.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	set := func(most int) {
		assert.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(most), Max: limit.Max}))
	}
	highest := 0
	open, err := os.ReadDir("/proc/self/fd")
	assert.NoError(t, err)
	for _, e := range open {
		number, err := strconv.Atoi(e.Name())
		assert.NoError(t, err)
		highest = max(highest, number)
	}
	set(highest + 1)
	var held []int
	for fd, err := syscall.Dup(2); err == nil; fd, err = syscall.Dup(2) {
		held = append(held, fd)
	}
	set(highest + 1 + room)
	restore = sync.OnceFunc(func() {
		set(int(limit.Cur))
		for _, fd := range held {
			assert.NoError(t, syscall.Close(fd))
		}
	})
	t.Cleanup(restore)
	return restore
}

// However many clients a process without descriptors has accepted, some of them are served, and so all of them in the end.
func TestCrowdIsServedWithFewDescriptors(t *testing.T) {
	for _, options := range []string{`"forking": true`, `"forking": true, "passing": true`, `"preforking": 2, "passing": true`} {
		t.Run(options, func(t *testing.T) {
			p := startRole(t, "server", fmt.Sprintf(`{"files": 48, %s}`, options))
			var crowd []net.Conn
			for range 60 {
				conn := p.dial(t)
				frameworktest.Send(t, conn, "hold\n")
				crowd = append(crowd, conn)
			}
			p.log.Await(t, "ulimit -n")
			for _, conn := range crowd {
				frameworktest.Send(t, conn, "all\n")
			}
			for _, conn := range crowd {
				frameworktest.Expect(t, conn, "holding\nreleased all\n")
			}
			p.stop(t)
		})
	}
}
