package timestamp

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers/localtime"
)

// A format is the parsed option format: literal text and placeholders.
type format []piece

// A piece is literal text or, with a value, a placeholder.
type piece struct {
	text  string
	value func(answer []byte, v *values) []byte
}

// values are those of the placeholders.
type values struct {
	data   []byte
	layout string
	client net.Addr
	tls    *framework.TLS
}

var placeholders = map[string]func([]byte, *values) []byte{
	"time":      func(answer []byte, v *values) []byte { return localtime.Now().AppendFormat(answer, v.layout) },
	"data":      func(answer []byte, v *values) []byte { return append(answer, v.data...) },
	"client":    func(answer []byte, v *values) []byte { return append(answer, v.address()...) },
	"client_ip": func(answer []byte, v *values) []byte { return append(answer, v.ip()...) },
	"client_cert": func(answer []byte, v *values) []byte {
		if v.tls == nil || v.tls.Client == nil {
			return answer
		}
		return append(answer, v.tls.Client.Subject...)
	},
}

func (v *values) address() string {
	if v.client == nil || v.client.String() == "@" { // a Unix socket without a name
		return ""
	}
	return v.client.String()
}

// ip returns the address without its port, or the path of a Unix socket, which may be empty.
func (v *values) ip() string {
	address := v.address()
	if at, err := netip.ParseAddrPort(address); err == nil {
		return at.Addr().Unmap().String()
	}
	return address
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

// parseFormat returns a [framework.OptionError] for an invalid format.
func parseFormat(s string) (format, error) {
	if s == "" {
		return nil, formatError(fmt.Sprintf("is empty, and clients wait for an answer; the default is %q", defaultFormat))
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
			return nil, formatError(fmt.Sprintf("there is no {%s}; there are {time}, {data}, {client}, {client_ip} and {client_cert}", name))
		}
		f, s = append(f, piece{value: value}), rest
	}
	return f, nil
}

func formatError(problem string) error {
	return &framework.OptionError{Option: "format", Problem: problem}
}
