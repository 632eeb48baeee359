package kv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/natsclient"
)

const callTimeout = 5 * time.Second // of each call, unless its context ends sooner

// connect connects to a NATS server, and keeps the connection.
func connect(how config.State, log hclog.Logger) (*nats.Conn, error) {
	where := natsclient.Hosts(how.URL)
	log = log.With("nats", where)
	options := append(natsclient.Options("socketserver state"),
		nats.DisconnectErrHandler(func(c *nats.Conn, err error) {
			if !c.IsClosed() {
				log.Warn("the state is lost; requests that use it fail until it is back", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("the state is back") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Error("NATS reports an error", "error", err) }),
	)
	if how.Credentials != "" {
		if _, err := os.ReadFile(how.Credentials); err != nil {
			return nil, fmt.Errorf("read the credentials: %w", err)
		}
		options = append(options, nats.UserCredentials(how.Credentials))
	}
	c, err := nats.Connect(how.URL, options...)
	switch {
	case err == nil:
		return c, nil
	case natsclient.IsRefused(err):
		return nil, fmt.Errorf("NATS at %s refuses the credentials; set credentials, or a user in url", where)
	case !unreachable(err):
		return nil, fmt.Errorf("connect to NATS at %s: %w", where, err)
	}
	log.Warn("the state cannot be reached; requests that use it fail until it can", "error", err)
	return nats.Connect(how.URL, append(options, nats.RetryOnFailedConnect(true))...)
}

// unreachable reports whether a server may answer later.
func unreachable(err error) bool {
	var network interface{ Timeout() bool }
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || errors.As(err, &network)
}

// codes are errors of JetStream by what is to be done about them.
var codes = map[jetstream.ErrorCode]string{
	10023: "NATS has no room: its limits or its disk are exhausted",
	10028: "NATS has no room: its memory is exhausted",
	10047: "NATS has no room: its limit of storage is exhausted",
	10077: "NATS cannot store it; is the disk full?",
	10039: "JetStream is not enabled for this account of NATS; enable it",
	10076: "JetStream is not enabled in NATS; start it with -js",
}

// explain returns an error of NATS in the words of a state.
func explain(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		return errors.New("JetStream does not answer; enable it in NATS, with a leader if there are several")
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrConnectionClosed):
		return errAway
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return fmt.Errorf("NATS does not answer: %w", context.DeadlineExceeded)
	case errors.As(err, &api) && codes[api.ErrorCode] != "":
		return fmt.Errorf("%s (%s)", codes[api.ErrorCode], api.Description)
	}
	return err
}

var errAway = errors.New("NATS, which has the state, cannot be reached")
