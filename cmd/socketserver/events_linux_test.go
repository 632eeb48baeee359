package main

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// Each request is reported from its acceptance to its end, with the process that ran it.
func TestEventsOfRequests(t *testing.T) {
	for _, strategy := range everyStrategy[3-often(1, 3):] {
		t.Run(strategy, func(t *testing.T) {
			r := reloadable(t, timestamps(strategy, "", ""))
			c := exec.Command("socketserver", "events", "--json", "--admin", r.socket)
			out, err := c.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, c.Start())
			t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
			lines := bufio.NewScanner(out)
			next := func(kind string) (e supervisor.Event) {
				t.Helper()
				for lines.Scan() {
					require.NoError(t, json.Unmarshal(lines.Bytes(), &e))
					if e.Kind == kind {
						return e
					}
					e = supervisor.Event{}
				}
				t.Fatal("the stream has ended")
				return e
			}
			r.awaitWatched(t, func() { r.do(t, "suspend", "s"); r.do(t, "resume", "s") }, next)
			require.Equal(t, "hello", askOnce(t, r.listeners[0], "hello"))
			accepted, started, ended := next("accepted"), next("started"), next("ended")
			require.NotZero(t, accepted.Request)
			require.Equal(t, accepted.Request, started.Request)
			require.Equal(t, accepted.Request, ended.Request)
			require.NotZero(t, started.Pid)
			require.Equal(t, "ok", ended.Detail)
			require.NotZero(t, ended.Seconds)
		})
	}
}

// awaitWatched does something that is reported until it is.
func (r *reloader) awaitWatched(t *testing.T, do func(), next func(string) supervisor.Event) {
	t.Helper()
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		next("state")
	}()
	for {
		do()
		select {
		case <-seen:
			return
		default:
		}
	}
}

// Subscribers that never read cost no request, and leave the admin socket to others.
func TestSubscribersThatDoNotRead(t *testing.T) {
	r := reloadable(t, timestamps(`"threading" {}`, "", ""))
	for range 8 {
		frameworktest.Send(t, frameworktest.DialAddress(t, "unix", r.socket), "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	c := gather(t, r.listeners[0], 2, 2)
	for range 5 {
		r.status(t)
	}
	c.disperse(t)
}

// Top shows rates once, block by block on a pipe, and in place on a terminal.
func TestTop(t *testing.T) {
	r := reloadable(t, timestamps(`"threading" {}`, "", ""))
	c := gather(t, r.listeners[0], 1, 1)
	var answer topAnswer
	require.NoError(t, json.Unmarshal([]byte(r.do(t, "top", "--once", "--json", "--interval", "200ms")), &answer))
	require.Equal(t, r.Process.Pid, answer.Pid)
	require.Len(t, answer.Servers, 1)
	require.NotZero(t, answer.Servers[0].Accepted)
	require.GreaterOrEqual(t, answer.Servers[0].Active, 1)
	require.Regexp(t, `(?m)^pid \d+, up \d+s, generation 1: \d+ accepted/s, \d+ under way\n\nSERVER +STATE .*\ns +serving +\d+ `, r.do(t, "top", "--once"))
	c.disperse(t)
	term := newWindow(t, exec.Command("socketserver", "top", "--admin", r.socket, "--interval", "100ms"), 60, 10)
	general := func(screen string) string {
		return regexp.MustCompile(`up \w+`).ReplaceAllString(regexp.MustCompile(`pid \d+`).ReplaceAllString(screen, "pid PID"), "up AGE")
	}
	const row = "s       serving  0         0        0           0          0"
	term.AwaitGeneral(general, len(row),
		"pid PID, up AGE, generation 1: 0 accepted/s, 0 under way", "",
		"SERVER  STATE    REQUESTS  WAITING  ACCEPTED/S  REFUSED/S  F", row)
	term.Type("\x03")
	require.Zero(t, term.Exit())
}
