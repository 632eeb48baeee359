package pairs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

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
		b, err := rfile.ReadByte()
		switch why := c.CutOff(); {
		case why != nil:
			return settings{}, why
		case errors.Is(err, io.EOF) && len(text) > 0:
			return settings{}, errSettings
		case err != nil:
			return settings{}, err
		}
		const start = "name:"
		ended := b == '\n'
		if !ended {
			text = append(text, b)
		}
		if len(text) > maxSettings || !bytes.HasPrefix([]byte(start), text[:min(len(start), len(text))]) {
			return settings{}, errSettings
		}
		if !ended && rfile.Buffered() > 0 {
			continue
		}
		s, ok := parseSettings(string(bytes.TrimSuffix(text, []byte("\r"))))
		if ok {
			return s, nil
		}
		if ended {
			return s, errSettings
		}
	}
}

// pattern matches settings. The last of several to: counts, and names may have blanks within. It is
// compiled on first use, as workers have to start quickly.
var pattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^name:(.*[^\s\pZ].*)[\s\pZ]to:(.*[^\s\pZ].*)$`)
})

// parseSettings drops blanks around a name: a client that sends one after a colon would otherwise
// never be found by its partner.
func parseSettings(line string) (s settings, ok bool) {
	m := pattern().FindStringSubmatch(line)
	if m == nil {
		return s, false
	}
	return settings{strings.TrimSpace(m[1]), strings.TrimSpace(m[2])}, true
}
