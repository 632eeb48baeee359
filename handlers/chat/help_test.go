package chat

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommands(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, []string{"/help", "/join", "/me", "/msg", "/names", "/nick", "/quit"}, Commands())
}
