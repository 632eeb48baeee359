package plugin

import (
	"os"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
)

// A descriptor that could not be made a channel is closed once: its number may be somebody else's afterwards.
func TestChannelIsClosedOnce(t *testing.T) {
	file, err := os.Open(os.DevNull) // not a channel
	require.NoError(t, err)
	i := &instance{channel: int(file.Fd()), runner: &runner{}}
	require.ErrorContains(t, i.connect(&Settings{Log: hclog.NewNullLogger()}), "open channel")
	require.Negative(t, i.channel)
	require.Error(t, file.Close(), "it was closed")
}
