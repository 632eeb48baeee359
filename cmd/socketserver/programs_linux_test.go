package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// TestPrograms holds every conversation that docs/programs.md names with the shipped servers,
// which run on ports that are free: by a client in the shape of the original, and by connect
// in its place.
func TestPrograms(t *testing.T) {
	if exec.Command("python3", "--version").Run() != nil {
		t.Skip("there is no python3")
	}
	rows := programRows(t, "Clients", "clients.py")
	require.Len(t, rows, 17)
	requireServed(t, rows)
	for _, kind := range []string{"python3", "connect"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := serveShipped(t)
			for _, row := range rows {
				require.NotEmpty(t, row.here)
				require.True(t, strings.HasSuffix(row.command, row.here[0].port), row.command)
				for _, here := range row.here {
					t.Run(row.program+" with "+here.server, func(t *testing.T) { s.hold(t, kind, row, here) })
				}
			}
			t.Run("mishaps", s.mishaps)
		})
	}
}

// requireServed requires that each original server has a counterpart, which a client of the
// rows talks with.
func requireServed(t *testing.T, rows []programRow) {
	t.Helper()
	var used []place
	for _, row := range rows {
		used = append(used, row.here...)
	}
	for _, row := range programRows(t, "Servers", "servers.py") {
		require.NotEmpty(t, row.here, row.original)
		require.Subset(t, used, row.here, row.original)
	}
}

// shippedServers are those of servers.hcl, on other ports.
type shippedServers struct {
	*process
	environment []string
	ports       map[place]string // by what servers.hcl says
}

func serveShipped(t *testing.T) *shippedServers {
	t.Helper()
	text, err := os.ReadFile("../../servers.hcl")
	require.NoError(t, err)
	plugins, err := filepath.Abs("../../plugins")
	require.NoError(t, err)
	file := write(t, "servers.hcl", fmt.Sprintf("plugins { directory = %q }\n", plugins)+port.ReplaceAllString(string(text), "$1:0"))
	require.NoError(t, os.MkdirAll(filepath.Join(filepath.Dir(file), "directory", "empty"), 0o755))

	s := &shippedServers{ports: map[place]string{}}
	s.environment = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir(), "PYTHONUTF8=1")
	serve := exec.Command("socketserver", "serve", "-c", file, "--log-level", "debug", "--log-format", "json")
	serve.Env = s.environment
	s.process = start(t, filepath.Dir(file), serve)
	open := map[string]string{}
	for _, l := range s.awaitListening(t) {
		_, port, err := net.SplitHostPort(l.address)
		require.NoError(t, err)
		open[l.server+l.network] = port
	}
	c, err := config.Parse("servers.hcl", text, newTestCatalog(t))
	require.NoError(t, err)
	for _, server := range c.Servers {
		for _, transport := range server.Transports {
			_, port, err := net.SplitHostPort(transport.Address)
			require.NoError(t, err)
			s.ports[place{server.Name, transport.Network, port}] = open[server.Name+transport.Network]
		}
	}
	return s
}

// A scene is where a conversation takes place.
type scene struct {
	*shippedServers
	kind string // of the clients: python3 or connect
	row  programRow
	here place
	port string
}

// python reports whether the clients are in the shape of the original.
func (s *scene) python() bool { return s.kind == "python3" }

// looks are those of the clients of testdata.
var looks = map[string]look{
	"timestamp_asking":     {prompt: "> ", heard: "%s\n"},
	"timestamp_udp_asking": {prompt: "> ", heard: "%s\n"},
	"timestamp_options":    {prompt: "> ", heard: "%s\n"},
	"timestamp":            {prompt: "> ", heard: "%s\n"},
	"timestamp_ipv6":       {prompt: "> ", heard: "%s\n"},
	"timestamp_udp":        {prompt: "> ", heard: "%s\n"},
	"timestamp_line":       {prompt: "> ", heard: "%s\n"},
	"command":              {prompt: ">>> ", heard: "%s\n"},
	"half_duplex":          {prompt: "to: ", heard: "from:  %s\n"},
	"full_duplex":          {prompt: ">>> ", heard: "%s\n"},
	"room":                 {prompt: ">>> ", heard: "%s\n"},
	"pairs":                {prompt: ">>> ", heard: "%s\n"},
	"hello":                {prompt: ">", heard: "%s\n"},
	"quit_client":          {prompt: ">", echoed: "发送信息到127.0.0.1：%s\n", heard: "从127.0.0.1收到信息：%s\n"},
}

// conversations are what the clients have to say.
var conversations = map[string]func(s *scene, t *testing.T){
	"timestamp_asking":     (*scene).timestamps,
	"timestamp_udp_asking": (*scene).timestamps,
	"timestamp_options":    (*scene).timestamps,
	"timestamp":            (*scene).timestamps,
	"timestamp_ipv6":       (*scene).timestamps,
	"timestamp_udp":        (*scene).timestamps,
	"timestamp_line":       (*scene).timestampLines,
	"echo":                 (*scene).echo,
	"echo_getaddrinfo":     (*scene).echo,
	"command":              (*scene).commands,
	"half_duplex":          (*scene).halfDuplex,
	"full_duplex":          (*scene).fullDuplex,
	"room":                 (*scene).room,
	"pairs":                (*scene).pairs,
	"sink":                 (*scene).sink,
	"hello":                (*scene).hello,
	"quit_client":          (*scene).quit,
}
