package options

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/internal/text"
)

// Decode sets the fields of the struct that into points to from given, a JSON object. A null
// leaves the default. An unknown option or a value of another type changes nothing and is
// passed to refuse.
func (s Schema) Decode(given []byte, into any, refuse func(name, problem string)) error {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(given, &values); err != nil {
		return fmt.Errorf("decode options: %w", err)
	}
	target := reflect.ValueOf(into).Elem()
	for _, o := range s {
		value, ok := values[o.Name]
		delete(values, o.Name)
		if !ok || bytes.Equal(value, []byte("null")) {
			continue
		}
		if err := o.decode(value, target.FieldByIndex(o.index)); err != nil {
			refuse(o.Name, o.wrong(err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		refuse(name, s.unknown(name))
	}
	return nil
}

// decode sets a field to what is given. It decodes into memory of its own, because all classes
// share the lists and maps of the defaults. Members of a struct that are not given keep their
// defaults.
func (o option) decode(given []byte, into reflect.Value) error {
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

func (o option) wrong(err error) string {
	if mismatch := (*json.UnmarshalTypeError)(nil); errors.As(err, &mismatch) {
		return fmt.Sprintf("is a %s where a %s is wanted, as in %s = %s", mismatch.Value, o.Type, o.Name, o.Default)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

func (s Schema) unknown(name string) string {
	if len(s) == 0 {
		return "there is no such option; this handler has none"
	}
	var names []string
	for _, o := range s {
		names = append(names, o.Name)
	}
	return "there is no such option; " + text.Hint(name, names, "there are "+strings.Join(names, ", "))
}
