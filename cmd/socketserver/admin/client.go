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

// Do asks the daemon whose socket is at path, and decodes its answer into answer, which may be
// nil. body is sent as JSON; nil: none. An error of the daemon has its text alone.
func Do(ctx context.Context, path, method, what string, body, answer any) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://socketserver"+what, sent)
	if err != nil {
		return err
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
		return fmt.Errorf("socketserver: %w", err)
	}
	defer response.Body.Close()
	decoder := json.NewDecoder(response.Body)
	if response.StatusCode != http.StatusOK {
		var refused refusal
		if err := decoder.Decode(&refused); err != nil {
			return fmt.Errorf("socketserver: the daemon at %s does not know %s %s; is it of another version?", path, method, what)
		}
		return errors.New(refused.Error)
	}
	if answer == nil {
		return nil
	}
	if err := decoder.Decode(answer); err != nil {
		return fmt.Errorf("socketserver: read the answer of the daemon: %w", err)
	}
	return nil
}
