package proxyproto

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Parsing allocates the line of version 1 and nothing else: every connection of a balancer pays for it.
func TestParseAllocates(t *testing.T) {
	for text, most := range map[string]float64{
		"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n":  1,
		"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n": 1,
		string(binaryHeader(0x21, 0x11, four)):             0,
		string(withChecksum(four, 0)):                      0,
	} {
		b := []byte(text)
		n := testing.AllocsPerRun(100, func() { _, _ = parse(b) })
		require.LessOrEqual(t, n, most, "%q", text)
	}
}
