package terminal

import (
	"testing"

	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// A panic of the goroutine that reads keys leaves the terminal as it was.
func TestPanic(t *testing.T) {
	keyboard, line, err := pty.Open()
	require.NoError(t, err)
	defer keyboard.Close()
	defer line.Close()
	before, err := term.GetState(line.Fd())
	require.NoError(t, err)
	_, err = term.MakeRaw(line.Fd())
	require.NoError(t, err)
	require.Panics(t, (&Terminal{Settings: Settings{In: line, Out: line}, before: before, done: make(chan struct{})}).readKeys, "it has no keys")
	after, err := term.GetState(line.Fd())
	require.NoError(t, err)
	require.Equal(t, before, after)
}
