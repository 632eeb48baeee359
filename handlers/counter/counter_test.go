package counter_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/handlers/counter"
)

func TestLinesAreCounted(t *testing.T) {
	for _, c := range []struct{ options, input, output string }{
		{"", "a\nb\n\nc", "1\n2\n3\n4\n"},
		{"", "", ""},
		{`{"step": -5}`, "a\nb\n", "-5\n-10\n"},
		{`{"step": 0}`, "a\n", "0\n"},
	} {
		output, err := frameworktest.Run(t, frameworktest.Class(t, counter.Constructor, c.options), c.input)
		require.NoError(t, err)
		require.Equal(t, c.output, output)
	}
}

func TestBadCounter(t *testing.T) {
	_, err := counter.Constructor.Class([]byte(`{"key": ""}`))
	require.ErrorContains(t, err, `option "key": is empty`)
	output, err := frameworktest.Run(t, frameworktest.Class(t, counter.Constructor, `{"key": "a b"}`), "a\n")
	require.ErrorContains(t, err, `the key "a b"`)
	require.Empty(t, output)
	_, err = frameworktest.Run(t, frameworktest.Class(t, counter.Constructor, ""), strings.Repeat("x", 1<<17))
	require.Error(t, err, "a line is bounded")
}

// All requests of a server count together, on each transport.
func TestRequestsCountTogether(t *testing.T) {
	for _, network := range []string{"tcp", "udp", "unix", "unixgram"} {
		s := frameworktest.Serve(t, frameworktest.NewServer(t, network, frameworktest.Class(t, counter.Constructor, "")))
		for _, n := range []string{"1\n", "2\n"} {
			require.Equal(t, n, frameworktest.Ask(t, frameworktest.Dial(t, s), "a\n"))
		}
	}
}
