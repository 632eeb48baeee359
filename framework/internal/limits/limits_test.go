package limits

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// What is counted with bounds that have just been replaced is due at the old rate, and counts for nothing else.
func TestReplacedWhileCounting(t *testing.T) {
	var l Limiter
	client := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9}
	source := slots.KeyOf(client)
	rate := func(n int) Bounds {
		return Bounds{RatePerSource: slots.Rate{N: n, Per: time.Hour}, Penalty: time.Hour}
	}
	admit := func() string {
		_, why := l.Admit(client, func() slots.Key { return source }, false, nil)
		return why
	}
	l.Set(rate(1))
	_, why := l.Admit(client, func() slots.Key { l.Set(rate(3)); return source }, false, nil)
	require.Empty(t, why)
	for range 3 {
		require.Empty(t, admit())
	}
	require.Equal(t, RatePerSource, admit())
	l.Set(Bounds{RatePerSource: rate(3).RatePerSource, Penalty: time.Hour, Answers: 5})
	require.Equal(t, RatePerSource, admit(), "what has not changed is not forgotten")
}
