package framework_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Every strategy runs the same handler on every transport.
func TestMatrix(t *testing.T) {
	for network, server := range newServer {
		for name, strategy := range newStrategy {
			t.Run(network+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := server(t, class(t, echo))
				s.Strategy = strategy()
				serve(t, s)
				for range 10 {
					require.Equal(t, "hello\n", ask(t, s, "hello\n"))
				}
			})
		}
	}
}
