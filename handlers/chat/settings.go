package chat

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
)

// settings are what a client of a pair says first: name:A to:B.
type settings struct{ name, to string }

// maxSettings is how long they may be, in bytes.
const maxSettings = 1024

var (
	// errSettings is what can not become settings.
	errSettings = errors.New("chat: not name:A to:B")
	// errSilent cuts off a client that does not send them.
	errSilent = fmt.Errorf("chat: the client does not say who it is: %w", os.ErrDeadlineExceeded)
)

// settings reads the client's settings, which may come in pieces. They end with a newline,
// or where nothing more has come; what follows a newline is the first message.
func (in *input) settings(rfile *bufio.Reader, o *Options) (settings, error) {
	if limit := time.Duration(o.SettingsTimeout); limit > 0 {
		late := time.AfterFunc(limit, func() {
			in.member.Send([]byte(inputError))
			in.member.Cut(errSilent)
		})
		defer late.Stop()
	}
	var said []byte
	for {
		chunk, err := in.chunk()
		if errors.Is(err, io.EOF) && len(said) > 0 {
			return settings{}, errSettings
		}
		if err != nil {
			return settings{}, err
		}
		said = append(said, chunk...)
		line, rest, ended := bytes.Cut(said, []byte("\n"))
		if len(line) > maxSettings || !begins(said, "name:") {
			return settings{}, errSettings
		}
		s, ok := parseSettings(string(bytes.TrimSuffix(line, []byte("\r"))))
		switch {
		case ended && !ok:
			return settings{}, errSettings
		case ok && (ended || rfile.Buffered() == 0):
			in.ahead = rest
			return s, nil
		}
	}
}

// begins says whether text begins with prefix, as far as it goes.
func begins(text []byte, prefix string) bool {
	n := min(len(text), len(prefix))
	return string(text[:n]) == prefix[:n]
}

// parseSettings is the regular expression name:(.+)\sto:(.+): of several to: the last one
// counts, and blanks within the names are theirs. Those around them are not: who types one
// after a colon would never meet anybody.
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
