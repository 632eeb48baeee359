package pairs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-socketserver/socketserver/handlers/chat/client"
)

// settings are the first thing that a client sends: name:A to:B.
type settings struct{ name, to string }

// maxSettings is the maximum length of settings in bytes.
const maxSettings = 1024

var (
	// errSettings refuses anything that cannot become settings.
	errSettings = errors.New("chat: not name:A to:B")
	// errNoSettings cuts off a client that does not send them in time.
	errNoSettings = fmt.Errorf("chat: no settings from the client: %w", os.ErrDeadlineExceeded)
)

// readSettings reads the settings of a client, which may come in pieces. They end with a
// newline, or where nothing more has arrived; what follows a newline is the first message.
func readSettings(c *client.Client, rfile *bufio.Reader, timeout time.Duration) (settings, error) {
	if timeout > 0 {
		late := time.AfterFunc(timeout, func() {
			c.Send([]byte(inputError))
			c.Cut(errNoSettings)
		})
		defer late.Stop()
	}
	var text []byte
	for {
		chunk, err := c.Chunk()
		if errors.Is(err, io.EOF) && len(text) > 0 {
			return settings{}, errSettings
		}
		if err != nil {
			return settings{}, err
		}
		text = append(text, chunk...)
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		if len(line) > maxSettings || !begins(text, "name:") {
			return settings{}, errSettings
		}
		s, ok := parseSettings(string(bytes.TrimSuffix(line, []byte("\r"))))
		switch {
		case ended && !ok:
			return settings{}, errSettings
		case ok && (ended || rfile.Buffered() == 0):
			c.Unread(rest)
			return s, nil
		}
	}
}

// begins reports whether text is, or may become, a text with the prefix.
func begins(text []byte, prefix string) bool {
	n := min(len(text), len(prefix))
	return string(text[:n]) == prefix[:n]
}

// parseSettings is the regular expression name:(.+)\sto:(.+), so that the last of several to:
// counts and names may have blanks within. Blanks around a name are dropped: a client that sends
// one after a colon would otherwise never be found by its partner.
func parseSettings(line string) (s settings, ok bool) {
	rest, ok := strings.CutPrefix(line, "name:")
	if !ok {
		return s, false
	}
	for end := len(rest); end > 0; {
		at := strings.LastIndex(rest[:end], "to:")
		if at < 0 {
			return s, false
		}
		blank, size := utf8.DecodeLastRuneInString(rest[:at])
		name, to := strings.TrimSpace(rest[:at-size]), strings.TrimSpace(rest[at+len("to:"):])
		if unicode.IsSpace(blank) && name != "" && to != "" {
			return settings{name, to}, true
		}
		end = at
	}
	return s, false
}
