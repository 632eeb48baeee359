// Package command is the handler that answers a few commands: the time, the system, and the
// names in a directory. It starts no program, and has no access outside its root.
package command

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
	"unicode/utf8"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers/framing"
	"github.com/go-socketserver/socketserver/handlers/localtime"
)

// Options are the options of the handler.
type Options struct {
	Root       framework.Path `json:"root" doc:"directory that ls is confined to"`
	Framing    framing.Kind   `json:"framing" doc:"what a command is: auto, a line or the rest of one read; line; chunk, the result of one read"`
	MaxEntries int            `json:"max_entries" doc:"maximum number of names that ls returns"`
}

// Constructor makes the handler.
var Constructor = framework.Define(Options{Root: ".", Framing: framing.Auto, MaxEntries: 1000}, construct)

func construct(o Options) (*framework.HandlerClass, error) {
	if err := o.Framing.Check(framing.Auto, framing.Line, framing.Chunk); err != nil {
		return nil, err
	}
	if o.MaxEntries < 1 || o.MaxEntries > maxScan {
		return nil, &framework.OptionError{
			Option: "max_entries", Problem: fmt.Sprintf("is %d; give a number from 1 to %d", o.MaxEntries, maxScan),
		}
	}
	if err := checkRoot(string(o.Root)); err != nil {
		return nil, err
	}
	return &framework.HandlerClass{
		New:         func() framework.Handler { return &handler{options: &o} },
		WriteBuffer: 4096,
	}, nil
}

// checkRoot does not keep the directory open, as a class may be made only to check its options.
func checkRoot(root string) error {
	info, err := os.Stat(root)
	switch {
	case err != nil:
		return &framework.OptionError{Option: "root", Problem: fmt.Sprintf("%v; give a directory that exists", err)}
	case !info.IsDir():
		return &framework.OptionError{Option: "root", Problem: fmt.Sprintf("%s is not a directory; give one", root)}
	}
	return nil
}

type handler struct {
	framework.BaseRequestHandler
	options *Options
}

func (h *handler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	commands := framing.NewReader(h.options.Framing, h.Request, rfile)
	var answer []byte
	for {
		m, err := commands.Next()
		if err != nil {
			return framing.Refuse(wfile, err)
		}
		answer = append(h.answer(answer[:0], m.Data), m.Ending...)
		if _, err := wfile.Write(answer); err != nil { // one write, as clients read once
			return err
		}
	}
}

// maxAnswer is the number of bytes that the original clients read at once.
const maxAnswer = 1024

func (h *handler) answer(to, input []byte) []byte {
	input = bytes.TrimRight(input, "\r\n ")
	switch name, argument := parse(input); name {
	case "time", "date":
		return fmt.Appendf(to, "[%s]", localtime.Now().Format(time.ANSIC))
	case "os":
		return fmt.Appendf(to, "[%s]", systemName())
	case "ls":
		return append(to, h.list(argument)...)
	default:
		const refusal = "this is no order"
		if h.IsDatagram() && bytes.Contains(input, []byte(refusal)) {
			return to // a server's, which would answer an answer, and so on
		}
		to = append(to, refusal...)
		return append(to, input[:min(len(input), maxAnswer-len(refusal))]...)
	}
}

// parse returns the command in input, or no name. A command is an exact word; ls may be followed
// by one white space and a path, which ends at the next white space.
func parse(input []byte) (name, argument string) {
	const space = " \t\n\v\f\r"
	if !utf8.Valid(input) {
		return "", ""
	}
	switch string(input) {
	case "time", "date", "os", "ls":
		return string(input), "."
	}
	rest, ok := bytes.CutPrefix(input, []byte("ls"))
	if !ok || !bytes.ContainsAny(rest[:1], space) {
		return "", ""
	}
	rest = rest[1:]
	if i := bytes.IndexAny(rest, space); i >= 0 {
		rest = rest[:i]
	}
	if len(rest) == 0 {
		return "", ""
	}
	return "ls", string(rest)
}

// systemName returns the os.name of Python.
func systemName() string {
	if runtime.GOOS == "windows" {
		return "nt"
	}
	return "posix"
}
