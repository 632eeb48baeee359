package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// Do sends a request to the admin socket at path, and decodes the answer into answer, which may be
// nil. body is sent as JSON; nil: none. An error of the daemon has its text alone.
func Do(ctx context.Context, path, method, what string, body, answer any) error {
	response, err := request(ctx, path, method, what, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("socketserver: read the answer of the daemon: %w", err)
	}
	return nil
}

// request returns the answer of the daemon that is no error. The caller closes its body.
func request(ctx context.Context, path, method, what string, body any) (*http.Response, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://socketserver"+what, sent)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, "unix", path)
		if err != nil {
			return nil, fmt.Errorf("no socketserver answers at %s; start one, or name its socket with --admin", path)
		}
		return c, nil
	}}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("socketserver: %w", err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	var refused refusal
	if err := json.NewDecoder(response.Body).Decode(&refused); err != nil {
		return nil, fmt.Errorf("socketserver: the daemon at %s does not know %s %s; is it of another version?", path, method, what)
	}
	return nil, errors.New(refused.Error)
}
