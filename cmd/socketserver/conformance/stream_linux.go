package conformance

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	smallBuffer = 4096  // bytes, of a client that reads slowly
	unread      = 60000 // bytes that a handler need not read; less than a line may have
)

// answersAtOnce tells an answer that waits in a buffer from one that does not come at all.
func answersAtOnce(t *trial) error {
	c, err := t.dial(0)
	if err != nil {
		return err
	}
	if err := c.send(t.kit.Send); err != nil {
		return err
	}
	err = c.expect(t.kit.Expect, t.silence)
	if !errors.Is(err, errSilent) {
		return err
	}
	c.end()
	if late := c.expect(t.kit.Expect, patience); late != nil {
		return err
	}
	if !strings.HasSuffix(t.kit.Send, "\n") {
		return errors.New(`the answer comes only when the client has ended its input; if the handler reads lines, end --send with \n`)
	}
	return errors.New("buffered: the answer comes only when the client has ended its input; flush it: fflush(), $|=1, flush=True, stdbuf -oL")
}

func singleBytes(t *trial) error {
	c, err := t.dial(0)
	if err != nil {
		return err
	}
	for _, b := range []byte(t.kit.Send) {
		if _, err := c.Write([]byte{b}); err != nil {
			return fmt.Errorf("it ended the connection amid what the client sends: %w", reason(err))
		}
	}
	c.end()
	return c.expect(t.kit.Expect, patience)
}

func lastLine(t *trial) error {
	line, ok := strings.CutSuffix(t.kit.Send, "\n")
	if !ok {
		return skip(`--send does not end with \n`)
	}
	c, err := t.dial(0)
	if err != nil {
		return err
	}
	if err := c.send(line); err != nil {
		return err
	}
	c.end()
	return c.expect(strings.TrimSuffix(t.kit.Expect, "\n"), patience)
}

// unreadInput reads only when all has been sent: what the server has not read by its close resets
// the connection.
func unreadInput(t *trial) error {
	c, err := t.dial(0)
	if err != nil {
		return err
	}
	_ = c.SetWriteDeadline(time.Now().Add(patience))
	_ = c.send(t.kit.Send + strings.Repeat("x", unread)) // fails where the server has reset
	c.end()
	if err := c.expect(t.kit.Expect, patience); err != nil {
		return err
	}
	return c.rest(t.end)
}

// slowReader asks for a large answer, which is known of a handler that answers a message of twice the
// length by an answer of twice the length, and reads it in small parts.
func slowReader(t *trial) error {
	if t.subject.Stream.Network != "tcp" {
		return skip("the buffers of " + t.subject.Stream.Network + " are too large")
	}
	if err := t.stretched(2, 0); err != nil {
		return skip("a long message is not answered by a long answer")
	}
	return t.stretched(max(2, unread/max(1, len(t.kit.Send))), smallBuffer)
}

// stretched sends n messages as one, and expects n answers as one.
func (t *trial) stretched(n, buffer int) error {
	c, err := t.dial(buffer)
	if err != nil {
		return err
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_ = c.send(stretch(t.kit.Send, n))
		c.end()
	}()
	answer := stretch(t.kit.Expect, n)
	for part := 512; answer != "" && err == nil; answer = answer[part:] {
		part = min(part, len(answer))
		if err = c.expect(answer[:part], patience); err != nil {
			err = fmt.Errorf("%w; %d bytes of a large answer are missing", err, len(answer))
		}
	}
	if err == nil {
		err = c.rest(t.end)
	}
	_ = c.Close()
	<-sent
	return err
}

// stretch repeats a message within its line.
func stretch(text string, n int) string {
	line := strings.TrimRight(text, "\r\n")
	return strings.Repeat(line, n) + text[len(line):]
}

func resets(t *trial) error {
	for range 20 {
		c, err := t.dial(0)
		if err != nil {
			return err
		}
		_ = c.send(t.kit.Send)
		c.reset()
	}
	return t.ask()
}

func besideSilent(t *trial) error {
	for range 30 {
		if _, err := t.dial(0); err != nil {
			return err
		}
	}
	return t.ask()
}

// besideDeaf has a client send until nothing more is taken, and read nothing.
func besideDeaf(t *trial) error {
	c, err := t.dial(smallBuffer)
	if err != nil {
		return err
	}
	if err := c.send(t.kit.Send); err != nil {
		return err
	}
	_ = c.expect(t.kit.Expect, time.Second) // that its handler has begun, where it answers before the end
	_ = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	text := t.kit.Send
	if text == "" {
		text = "\n"
	}
	for range 1 << 20 / unread {
		if c.send(strings.Repeat(text, max(1, unread/len(text)))) != nil {
			break
		}
	}
	return t.ask()
}
