package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// samples are the values of a scrape by name and labels.
type samples map[string]float64

func scrape(t *testing.T, c *http.Client, host string) samples {
	t.Helper()
	answer, err := c.Get("http://" + host + "/metrics")
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	all := samples{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "} ")
		if n, err := strconv.ParseFloat(value, 64); err == nil && !strings.HasPrefix(name, "#") {
			all[name+"}"] = n
		}
	}
	return all
}

// overSocket returns a client that connects to a Unix socket.
func overSocket(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) },
	}}
}

// Counters are the same over TCP and the admin socket, and never fall over reloads; pprof is on the
// admin socket alone.
func TestMetrics(t *testing.T) {
	const block = "metrics { address = \"127.0.0.1:0\" }\n"
	r := reloadable(t, block+timestamps(`"threading" {}`, "1", ""))
	host := r.await(t, "metrics")["address"].(string)
	counters := func(s samples) samples {
		kept := samples{}
		for name, value := range s {
			if strings.Contains(name, "_total{") || strings.Contains(name, "_count{") {
				kept[name] = value
			}
		}
		return kept
	}
	before := samples{}
	for n, strategy := range []string{"threading", "forking", "preforking", "synchronous", "threading"} {
		r.reload(t, block+timestamps(strconv.Quote(strategy)+" {}", strconv.Itoa(n), ""))
		askOnce(t, r.listeners[0], "hello")
		over := counters(scrape(t, overSocket(r.socket), "x"))
		tcp := counters(scrape(t, http.DefaultClient, host))
		require.NotEmpty(t, tcp)
		for name, value := range over {
			require.LessOrEqual(t, before[name], value, name)
			require.LessOrEqual(t, value, tcp[name], name)
		}
		before = tcp
	}
	require.GreaterOrEqual(t, before[`socketserver_requests_accepted_total{server="s"}`], 5.0)

	for path, want := range map[string]int{"/healthz": http.StatusOK, "/debug/pprof/": http.StatusNotFound, "/v1/status": http.StatusNotFound} {
		answer, err := http.Get("http://" + host + path)
		require.NoError(t, err)
		answer.Body.Close()
		require.Equal(t, want, answer.StatusCode, path)
	}
	answer, err := overSocket(r.socket).Get("http://x/debug/pprof/goroutine?debug=1")
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), "goroutine profile")

	r.write(t, strings.Replace(block, ":0", ":1", 1)+timestamps(`"threading" {}`, "1", ""))
	_, problems, err := r.command("reload")
	require.Error(t, err)
	require.Contains(t, problems, "the metrics block has changed")
	r.signal(t, syscall.SIGTERM)
	require.Zero(t, r.exit(t))
}
