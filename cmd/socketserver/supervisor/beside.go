package supervisor

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/go-socketserver/socketserver/framework"
)

// beside are servers that handler classes have beside their requests, such as that of an operator's
// consoles, by the path of their socket and in the order in which they were opened.
type beside struct {
	mu      sync.Mutex
	servers map[string][]*framework.BaseServer
}

// Keep gives s, which a handler class opens, a socket at path that is kept as those of servers are: a
// class that takes the place of another one, and a process that takes the place of this one, serve
// the same socket. The server before it, which has the same name, retires once that has come true. The
// caller calls release when s has closed.
func (s *Supervisor) Keep(path string, server *framework.BaseServer) (release func(), err error) {
	b := &s.beside
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, other := range b.servers[path] {
		if other.Name != server.Name {
			return nil, fmt.Errorf("%s is in use by the server %q; give each another path", path, other.Name)
		}
	}
	socket, err := s.Open("unix", path, "", framework.SocketOptions{})
	if err != nil {
		return nil, err
	}
	server.Transport = socket.Transport()
	b.servers[path] = append(b.servers[path], server)
	return func() {
		b.mu.Lock()
		b.servers[path] = slices.DeleteFunc(b.servers[path], func(other *framework.BaseServer) bool { return other == server })
		b.mu.Unlock()
		s.Release(socket)
	}, nil
}

// retire has all but the last n servers of each path take no more clients. Their classes close them.
func (b *beside) retire(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for _, servers := range b.servers {
		for _, s := range servers[:max(len(servers)-n, 0)] {
			_ = s.Retire(over) // its requests are not waited for
		}
	}
}
