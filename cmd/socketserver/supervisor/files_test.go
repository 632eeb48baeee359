package supervisor

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
)

// A program on standard input and output takes more descriptors than a connection, and those that wait
// for a process do not.
func TestDescriptorsThatAreNeeded(t *testing.T) {
	program := &framework.HandlerClass{Isolates: true}
	for _, c := range []struct {
		network string
		class   *framework.HandlerClass
		how     config.Concurrency
		want    int
	}{
		{"tcp", &framework.HandlerClass{}, config.Concurrency{Kind: "threading"}, 64 + 2000},
		{"tcp", &framework.HandlerClass{Isolates: true, Program: &framework.Program{}}, config.Concurrency{Kind: "forking", MaxChildren: 40}, 64 + 2000},
		{"tcp", program, config.Concurrency{Kind: "threading"}, 64 + 4000},
		{"tcp", program, config.Concurrency{Kind: "forking", MaxChildren: 40}, 64 + 2000 + 80},
		{"udp", program, config.Concurrency{Kind: "threading", MaxThreads: 10}, 64 + 2000 + 40},
		{"unixgram", program, config.Concurrency{Kind: "threading"}, 64 + 6000},
	} {
		server := &config.Server{Transports: []config.Transport{{Network: c.network}}, Class: c.class, Concurrency: c.how, Limits: config.Limits{Connections: 1000}}
		require.Equal(t, c.want, filesNeeded(&config.Config{Servers: []*config.Server{server}}), c)
	}
}
