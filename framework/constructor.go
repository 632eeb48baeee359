package framework

import (
	"bufio"
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/go-socketserver/socketserver/internal/text"
)

// A Constructor makes handler classes from options. It is made once, as a
// variable of the handler's package, by [Define] or [Func]; the same one is
// compiled in, served by a plugin and given to [ServeWorker].
type Constructor struct{ *definition }

type definition struct {
	schema func() []Option // made when it is needed: a worker makes one class of many
	class  func(options []byte) (*HandlerClass, error)
}

// An Option describes one option of a handler.
type Option struct {
	Name    string          `json:"name"`
	Type    string          `json:"type"` // string, path, number, bool, list or map
	Default json.RawMessage `json:"default"`
	Doc     string          `json:"doc"`
}

// An OptionError says what is wrong with one option. Constructors return it, so
// that the error is shown at the option's place in the configuration.
type OptionError struct {
	Option  string // its name
	Problem string // what is wrong and what to do
}

func (e *OptionError) Error() string { return fmt.Sprintf("option %q: %s", e.Option, e.Problem) }

// Define makes a Constructor from a struct of default options and a function that
// makes the class. The exported fields of O are the options: the json tag names
// one, "-" says that a field is none, and the doc tag describes it. The fields of an
// embedded struct are options like the others. Using the constructor panics where two options
// have one name. Unknown options and values of another type are
// refused with an [OptionError]; construct is called all the same, with the defaults in their
// place, for what it has to say of the others. It may be called
// often, also only to check options, so it must not start anything.
func Define[O any](defaults O, construct func(O) (*HandlerClass, error)) Constructor {
	d := &definition{schema: sync.OnceValue(func() []Option { return schemaOf(reflect.ValueOf(defaults)) })}
	d.class = func(options []byte) (*HandlerClass, error) {
		o := defaults
		refused, err := decode(options, &o, d.schema)
		if err != nil {
			return nil, err
		}
		class, err := construct(o)
		if len(refused) == 0 {
			return class, err
		}
		var all []error
		for _, r := range refused {
			all = append(all, r)
		}
		return nil, errors.Join(append(all, others(err, refused)...)...)
	}
	return Constructor{d}
}

// Func makes a Constructor from a function that has no options. The handler serves
// every transport.
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

// Class makes a class from options, a JSON object; nil means the defaults. All
// that is wrong with the options is told at once, each as an [OptionError],
// joined as by [errors.Join].
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
	return class, class.check("")
}

// Options describes the options in the order of their declaration.
func (c Constructor) Options() []Option { return slices.Clone(c.schema()) }

// others returns what an error of construct says of options that have not been refused. What it
// says of no option may follow from those that have.
func others(err error, refused []*OptionError) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, err := range joined.Unwrap() {
			all = append(all, others(err, refused)...)
		}
		return all
	}
	option := (*OptionError)(nil)
	if !errors.As(err, &option) || slices.ContainsFunc(refused, func(r *OptionError) bool { return r.Option == option.Option }) {
		return nil
	}
	return []error{err}
}

// decode sets the options that are given, and returns an [OptionError] for each that it refuses.
func decode(options []byte, into any, of func() []Option) (refused []*OptionError, err error) {
	if len(options) == 0 {
		return nil, nil
	}
	schema := of()
	var given map[string]json.RawMessage
	if err := json.Unmarshal(options, &given); err != nil {
		return nil, fmt.Errorf("decode options: %w", err)
	}
	target := reflect.ValueOf(into).Elem()
	for _, o := range schema {
		value, ok := given[o.Name]
		if !ok {
			continue
		}
		delete(given, o.Name)
		if bytes.Equal(value, []byte("null")) {
			continue // as if it were not set, as in HCL
		}
		if err := decodeOption(value, field(target, o.Name), o); err != nil {
			refused = append(refused, &OptionError{o.Name, wrongType(err, o)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		refused = append(refused, &OptionError{name, unknownOption(name, schema)})
	}
	return refused, nil
}

// decodeOption sets an option to what is given. It is decoded into memory of its own, as
// lists and maps of the defaults are shared by all classes; of a struct, what is not given
// keeps its default.
func decodeOption(given []byte, into reflect.Value, o Option) error {
	fresh := reflect.New(into.Type())
	if into.Kind() == reflect.Struct {
		if err := json.Unmarshal(o.Default, fresh.Interface()); err != nil {
			return err
		}
	}
	d := json.NewDecoder(bytes.NewReader(given))
	d.DisallowUnknownFields()
	if err := d.Decode(fresh.Interface()); err != nil {
		return err
	}
	into.Set(fresh.Elem())
	return nil
}

func wrongType(err error, o Option) string {
	if mismatch := (*json.UnmarshalTypeError)(nil); errors.As(err, &mismatch) {
		return fmt.Sprintf("is a %s where a %s is wanted, as in %s = %s", mismatch.Value, o.Type, o.Name, o.Default)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

func unknownOption(name string, schema []Option) string {
	if len(schema) == 0 {
		return "there is no such option; this handler has none"
	}
	var names []string
	for _, o := range schema {
		names = append(names, o.Name)
	}
	return "there is no such option; " + text.Hint(name, names, "there are "+strings.Join(names, ", "))
}

func schemaOf(defaults reflect.Value) []Option {
	var schema []Option
	for _, f := range optionFields(defaults.Type(), nil) {
		value, err := json.Marshal(defaults.FieldByIndex(f.Index).Interface())
		if err != nil {
			panic(fmt.Sprintf("framework: default of option %s: %v", f.Name, err))
		}
		o := Option{optionName(f), optionType(f.Type), value, f.Tag.Get("doc")}
		if slices.ContainsFunc(schema, func(other Option) bool { return other.Name == o.Name }) {
			panic(fmt.Sprintf("framework: two options of %s are named %s; name one by a json tag", defaults.Type(), o.Name))
		}
		schema = append(schema, o)
	}
	return schema
}

// optionFields are the fields of options that are options, with those of the structs that
// it embeds. at is where it is embedded itself.
func optionFields(options reflect.Type, at []int) []reflect.StructField {
	var fields []reflect.StructField
	for i := range options.NumField() {
		f := options.Field(i)
		f.Index = append(slices.Clone(at), i)
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		embedded := f.Anonymous && name == ""
		switch {
		case tag == "-":
		case embedded && f.Type.Kind() == reflect.Pointer:
			panic(fmt.Sprintf("framework: options embed %s; embed the struct itself", f.Type))
		case embedded && f.Type.Kind() == reflect.Struct && optionType(f.Type) == "map":
			fields = append(fields, optionFields(f.Type, f.Index)...)
		case f.IsExported():
			fields = append(fields, f)
		}
	}
	return fields
}

func optionName(f reflect.StructField) string {
	if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
		return name
	}
	return strings.ToLower(f.Name)
}

func field(options reflect.Value, name string) reflect.Value {
	for _, f := range optionFields(options.Type(), nil) {
		if optionName(f) == name {
			return options.FieldByIndex(f.Index)
		}
	}
	panic("framework: option without a field: " + name)
}

func optionType(t reflect.Type) string {
	if t == reflect.TypeFor[Path]() {
		return pathType
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "string"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Slice, reflect.Array:
		return "list"
	case reflect.Map, reflect.Struct:
		return "map"
	default:
		return "number"
	}
}
