package compare

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/load"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/internal/text"
)

// DefaultMessage is what clients send to most handlers.
const DefaultMessage = "hello\n"

// Ask returns what clients send to a handler by default, and how they know the end of its answer.
func Ask(h config.Handler) (message, answer string) {
	if h.Kind == "handler" && h.Name == "command" {
		return "date\n", load.Chunk // its answer has no newline
	}
	return DefaultMessage, load.Line
}

// silent returns why a handler does not answer that message; empty: it may.
func silent(h config.Handler, message []byte) string {
	switch {
	case h.Kind != "handler":
	case h.Name == "sink":
		return "sink never answers, so there is nothing to measure; use a handler that answers, as echo"
	case h.Name == "chat" && string(message) == DefaultMessage:
		return "chat sends a client's lines to the others and does not answer them; use a handler that answers, as echo, or a --message that chat answers"
	}
	return ""
}

// unanswered explains why the first request was not answered, what arrived, and what to do about it.
func unanswered(p load.Plan, err error) string {
	var u *load.Unanswered
	if !errors.As(err, &u) {
		return "the first request could not be sent: " + err.Error()
	}
	const another = "it may want another --message"
	sent, got := text.Beginning(p.Message), text.Beginning(u.Got)
	switch {
	case u.Kind == load.Timeout && len(u.Got) == 0:
		return fmt.Sprintf("nothing came back for %s within %s; %s", sent, p.Timeout, another)
	case u.Kind == load.Timeout && p.Answer == load.EOF:
		return fmt.Sprintf("the answer to %s had not ended within %s; what arrived: %s; add --answer line or --answer chunk", sent, p.Timeout, got)
	case u.Kind == load.Timeout:
		return fmt.Sprintf("no line came back for %s within %s; what arrived: %s; its answers may have no newline: add --answer chunk; or %s", sent, p.Timeout, got, another)
	case u.Kind == load.Ended:
		return "it ends the connection after one answer, so there are no long conversations; add --loads connections"
	case u.Kind == load.ClosedEarly && len(u.Got) == 0:
		return fmt.Sprintf("the connection was closed without an answer to %s; %s", sent, another)
	case u.Kind == load.ClosedEarly:
		return fmt.Sprintf("no line came back for %s before the connection was closed; what arrived: %s; add --answer chunk, or --loads connections", sent, got)
	case u.Kind == load.WrongAnswer && !bytes.Contains(u.Got, p.Contains):
		return fmt.Sprintf("the answer to %s does not contain %s; what arrived: %s; change --expect or --message", sent, text.Beginning(p.Contains), got)
	case u.Kind == load.WrongAnswer:
		return fmt.Sprintf("the answer to %s is more than one line; what arrived: %s; add --answer chunk, or --loads connections", sent, got)
	}
	return "the first request was not answered: " + u.Kind
}
