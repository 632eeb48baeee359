package framework

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sync"

	"github.com/go-socketserver/socketserver/framework/internal/options"
)

// A Constructor makes handler classes from options. It is made once, as a variable of the handler's
// package, by [Define] or [Func]; the same one is compiled in, served by a plugin and given to
// [ServeWorker].
type Constructor struct{ *definition }

type definition struct {
	schema func() options.Schema // made when it is needed: a worker makes one class of many
	class  func(options []byte) (*HandlerClass, error)
}

// An Option describes one option of a handler.
type Option struct {
	Name    string          `json:"name"`
	Type    string          `json:"type"` // string, path, number, bool, list or map
	Default json.RawMessage `json:"default"`
	Doc     string          `json:"doc"`
}

// An OptionError is returned by constructors, so that what is wrong with an option is shown at its
// place in the configuration.
type OptionError struct {
	Option  string // its name
	Problem string // what is wrong and what to do
}

func (e *OptionError) Error() string { return fmt.Sprintf("option %q: %s", e.Option, e.Problem) }

// Define makes a Constructor from a struct of default options and a function that makes the class.
// The exported fields of O and of structs that it embeds are the options: the json tag names one,
// "-" excludes a field, and the doc tag describes it. Using the constructor panics if two options
// have one name. Unknown options and values of another type are refused with an [OptionError];
// construct is called all the same, with the defaults in their place, so that its errors about other
// options are reported too. It may be called only to check options, so it must not start anything.
func Define[O any](defaults O, construct func(O) (*HandlerClass, error)) Constructor {
	schema := sync.OnceValue(func() options.Schema { return options.Of(defaults, reflect.TypeFor[Path]()) })
	return Constructor{&definition{schema, func(given []byte) (*HandlerClass, error) {
		o := defaults
		var refused []error
		var names []string
		if len(given) > 0 {
			err := schema().Decode(given, &o, func(name, problem string) {
				refused, names = append(refused, &OptionError{name, problem}), append(names, name)
			})
			if err != nil {
				return nil, err
			}
		}
		class, err := construct(o)
		if len(refused) == 0 {
			return class, err
		}
		return nil, errors.Join(append(refused, others(err, names)...)...)
	}}}
}

// Func makes a Constructor from a function that has no options. The handler serves every transport.
func Func(handle func(rfile *bufio.Reader, wfile io.Writer) error) Constructor {
	return Define(struct{}{}, func(struct{}) (*HandlerClass, error) {
		return &HandlerClass{New: func() Handler { return &funcHandler{handle: handle} }}, nil
	})
}

type funcHandler struct {
	BaseRequestHandler
	handle func(*bufio.Reader, io.Writer) error
}

func (h *funcHandler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	return h.handle(rfile, wfile)
}

// Class makes a class from options, a JSON object; nil means the defaults. All errors of the
// options are returned at once, each an [OptionError], joined as by [errors.Join].
func (c Constructor) Class(options []byte) (*HandlerClass, error) {
	if len(options) == 0 {
		options = nil
	}
	class, err := c.class(options)
	if err != nil {
		return nil, err
	}
	if class == nil {
		return nil, errors.New("framework: the function given to Define returned neither a class nor an error; return a *HandlerClass")
	}
	class.constructor, class.options = c.definition, options
	return class, class.check(nil)
}

// Options describes the options in the order of their declaration.
func (c Constructor) Options() []Option {
	var all []Option
	for _, o := range c.schema() {
		all = append(all, Option(o.Option))
	}
	return all
}

// others returns what an error of construct says of options that are not refused already. What it
// says of no option may follow from those that are.
func others(err error, refused []string) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, err := range joined.Unwrap() {
			all = append(all, others(err, refused)...)
		}
		return all
	}
	option := (*OptionError)(nil)
	if !errors.As(err, &option) || slices.Contains(refused, option.Option) {
		return nil
	}
	return []error{err}
}

// Path is the type of an option that names a file or a directory. In a configuration it is
// relative to the file that names it; handlers get it joined, see [AbsolutePaths].
type Path string

// AbsolutePaths returns the values of options, a JSON object or nil, with relative ones of type
// Path joined to directory, defaults too. Values that do not decode are returned as they are:
// the constructor reports the error.
func AbsolutePaths(schema []Option, values []byte, directory string) ([]byte, error) {
	defaults := map[string]json.RawMessage{}
	for _, o := range schema {
		if o.Type == options.Path {
			defaults[o.Name] = o.Default
		}
	}
	return options.Join(defaults, values, directory)
}
