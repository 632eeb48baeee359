package config

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/framework/layer/websocket"
	"github.com/go-socketserver/socketserver/framework/proxyproto"
)

// Whatever a plan may say has changed is an attribute or a block of the reference.
func TestNamesOfDifferencesAreAttributes(t *testing.T) {
	text, err := os.ReadFile("../../../docs/configuration.md")
	require.NoError(t, err)
	text = regexp.MustCompile("(?s)```.*?```").ReplaceAll(text, nil)
	documented := map[string]bool{"program": true, "process": true, "handler": true} // the first two have words of their own
	for _, code := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(string(text), -1) {
		for _, name := range regexp.MustCompile(`[a-z_]+`).FindAllString(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(code[1], ""), -1) {
			documented[name] = true
		}
	}
	s := Server{
		State:    &State{Path: "p", Sync: 1, URL: "u", Credentials: "c", Bucket: "b"},
		Handler:  Handler{Kind: "handler"},
		Process:  Process{Directory: "d"},
		Timeouts: defaultTimeouts(),
		Transports: []Transport{{
			TLS: &layer.TLSFiles{}, ProxyProtocol: &proxyproto.Options{},
			WebSocket: &websocket.Options{Path: "/", Origins: []string{"*"}, Subprotocol: "s", Binary: true},
		}},
	}
	s.Transports[0].RequestQueueSize, s.Transports[0].ReusePort, s.Transports[0].Multipath = 1, true, true
	s.Concurrency.MaxRequestsPerWorker, s.Concurrency.Via = 1, "bus"
	for name := range s.attributes() {
		if strings.HasPrefix(name, "transport ") && !strings.Contains(name, ".") || name == "concurrency" {
			continue
		}
		require.True(t, documented[name[strings.LastIndexByte(name, '.')+1:]], name)
	}
}
