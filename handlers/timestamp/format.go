package timestamp

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/framework"
)

// A format is the option format, parsed once: what lies between the placeholders, and
// the placeholders.
type format []piece

// A piece is literal text or, where there is a value, a placeholder.
type piece struct {
	text  string
	value func(answer []byte, v *values) []byte
}

// values are what the placeholders stand for.
type values struct {
	data             []byte
	layout           string
	client, clientIP string
}

var placeholders = map[string]func([]byte, *values) []byte{
	"time":      func(answer []byte, v *values) []byte { return time.Now().AppendFormat(answer, v.layout) },
	"data":      func(answer []byte, v *values) []byte { return append(answer, v.data...) },
	"client":    func(answer []byte, v *values) []byte { return append(answer, v.client...) },
	"client_ip": func(answer []byte, v *values) []byte { return append(answer, v.clientIP...) },
}

// values returns those that stay the same during the request. Both addresses of a Unix
// socket's client are its path, which may be empty.
func (h *handler) values() values {
	v := values{layout: h.options.Layout}
	if h.ClientAddress != nil {
		v.client = h.ClientAddress.String()
	}
	v.clientIP = v.client
	if at, err := netip.ParseAddrPort(v.client); err == nil {
		v.clientIP = at.Addr().Unmap().String()
	}
	return v
}

func (f format) append(answer []byte, v *values) []byte {
	for _, p := range f {
		if p.value == nil {
			answer = append(answer, p.text...)
			continue
		}
		answer = p.value(answer, v)
	}
	return answer
}

// parseFormat returns a [framework.OptionError] where the format is not one.
func parseFormat(s string) (format, error) {
	if s == "" {
		return nil, formatError(fmt.Sprintf("is empty, so that clients would wait for an answer; the default is %q", defaultFormat))
	}
	var f format
	for s != "" {
		i := strings.IndexAny(s, "{}")
		switch {
		case i < 0:
			return append(f, piece{text: s}), nil
		case strings.HasPrefix(s[i+1:], s[i:i+1]): // a brace that stands for itself
			f, s = append(f, piece{text: s[:i+1]}), s[i+2:]
			continue
		case s[i] == '}':
			return nil, formatError("a } without its {; write }} for the character itself")
		}
		f = append(f, piece{text: s[:i]})
		name, rest, closed := strings.Cut(s[i+1:], "}")
		if !closed {
			return nil, formatError("a { without its }; write {{ for the character itself")
		}
		value, known := placeholders[name]
		if !known {
			return nil, formatError(fmt.Sprintf("there is no {%s}; there are {time}, {data}, {client} and {client_ip}", name))
		}
		f, s = append(f, piece{value: value}), rest
	}
	return f, nil
}

func formatError(problem string) error {
	return &framework.OptionError{Option: "format", Problem: problem}
}
