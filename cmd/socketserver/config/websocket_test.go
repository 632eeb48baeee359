package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework/layer/websocket"
)

func TestWebSocket(t *testing.T) {
	s := parse(t, server("transport \"websocket\" {\n  address = \":1\"\n  path = \"/chat\"\n  origins = [\"https://a.example\", \"*\"]\n  subprotocol = \"lines.example\"\n  message = \"binary\"\n}\n"+threading+echo)).Servers[0]
	require.Equal(t, "tcp", s.Transports[0].Network)
	require.Equal(t, &websocket.Options{Path: "/chat", Origins: []string{"https://a.example", "*"}, Subprotocol: "lines.example", Binary: true}, s.Transports[0].WebSocket)
	plain := parse(t, server("transport \"websocket\" { address = \":1\" }\n"+threading+echo)).Servers[0]
	require.Equal(t, &websocket.Options{Path: "/"}, plain.Transports[0].WebSocket)
	require.Contains(t, s.Difference(plain), `transport websocket :1.path "/" -> "/chat"`)

	flags, err := config.FromFlags(config.Flags{Listen: []string{"ws://:1/a/b"}, Handler: "echo"}, catalog)
	require.NoError(t, err)
	require.Equal(t, "/a/b", flags.Servers[0].Transports[0].WebSocket.Path)
	require.Equal(t, ":1", flags.Servers[0].Transports[0].Address)
	require.Contains(t, config.Flags{Listen: []string{"ws://:1/a"}, Handler: "echo"}.HCL(), "transport \"websocket\" {\n    address = \":1\"\n    path    = \"/a\"\n  }")
}

func TestWebSocketErrors(t *testing.T) {
	for attribute, want := range map[string]string{
		`path = "chat"`:                 `path: "chat" is no path of a URL; write it as in "/chat"`,
		`path = "/chat?x=1"`:            `path: "/chat?x=1" is no path of a URL; write it as in "/chat"`,
		`origins = ["example.com"]`:     `origins: "example.com" is no origin of a page; write origins as in "https://example.com", or "*" for all`,
		`origins = ["https://a.com/"]`:  `origins: "https://a.com/" ends with a slash, which no origin of a page does; write "https://a.com"`,
		`origins = ["https://a.com/b"]`: `origins: "https://a.com/b" is no origin of a page; write origins as in "https://example.com", or "*" for all`,
		`subprotocol = "a b"`:           `subprotocol: "a b" is no name of a subprotocol; write it as in "chat.example.com"`,
		`message = "json"`:              `message: "json" is not known; there is "binary" and "text"`,
	} {
		_, err := config.Parse("s.hcl", []byte(server("transport \"websocket\" {\n  address = \":1\"\n  "+attribute+"\n}\n"+threading+echo)), catalog)
		require.ErrorContains(t, err, `server "s": transport "websocket": `+want, attribute)
	}
	_, err := config.Parse("s.hcl", []byte(server("transport \"tcp\" {\n  address = \":1\"\n  path = \"/\"\n}\n"+threading+echo)), catalog)
	require.ErrorContains(t, err, `path is for "websocket"`)
}
