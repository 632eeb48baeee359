package upgrade

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// maxTail is how much of the end is kept, in bytes. The errors of a configuration have room.
const maxTail = 32 << 10

// printed is the end of what a program has printed.
type printed struct{ tail []byte }

// Write implements [io.Writer].
func (p *printed) Write(text []byte) (int, error) {
	p.tail = append(p.tail, text...)
	p.tail = p.tail[max(0, len(p.tail)-maxTail):]
	return len(text), nil
}

// copy copies lines to log until r ends.
func (p *printed) copy(log io.Writer, r io.Reader) {
	for lines := bufio.NewReader(r); ; {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			_, _ = p.Write(line)
			_, _ = log.Write(append(bytes.TrimSuffix(line, []byte("\n")), '\n'))
		}
		if err != nil {
			return
		}
	}
}

// explain adds the last line to an error, with the excerpt that is indented below it, or the whole text.
func (p *printed) explain(err error, whole bool) error {
	text := bytes.TrimSpace(p.tail)
	if len(text) == 0 {
		return fmt.Errorf("%w; it printed nothing", err)
	}
	if whole {
		return fmt.Errorf("%w\n%s", err, text)
	}
	at := bytes.LastIndexByte(text, '\n')
	for at >= 0 && text[at+1] == ' ' {
		at = bytes.LastIndexByte(text[:at], '\n')
	}
	return fmt.Errorf("%w; the last line that it printed: %s", err, text[at+1:])
}
