package worker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// A socket whose description no process could be sent is an error, and ends no process.
func TestShareWhatDoesNotFit(t *testing.T) {
	s, err := NewSet(config(), 1)
	require.NoError(t, err)
	defer s.Close(nil)
	before := s.Pids()
	err = s.Share("owner", Task{Frame: handoff.Frame{Kind: handoff.Listen, Body: make([]byte, handoff.MaxFrame)}})
	require.EqualError(t, err, "share the socket: frame of 163852 bytes is longer than 163840")
	require.False(t, s.Withdraw("owner", nil))
	require.Equal(t, before, s.Pids())
}
