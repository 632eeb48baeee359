package options

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Complete returns the values of options that are declared and not fields of a struct: those given,
// a JSON object or nil, and the defaults of the others, where they have one. An unknown option or a
// value of another type is passed to refuse.
func Complete(declared []Option, given []byte, refuse func(name, problem string)) (map[string]json.RawMessage, error) {
	values, s := map[string]json.RawMessage{}, Schema{}
	if len(given) > 0 {
		if err := json.Unmarshal(given, &values); err != nil {
			return nil, fmt.Errorf("decode options: %w", err)
		}
	}
	known := map[string]bool{}
	for _, o := range declared {
		s = append(s, option{Option: o})
		known[o.Name] = true
		value, set := values[o.Name]
		switch {
		case !set || bytes.Equal(value, []byte("null")):
			delete(values, o.Name)
			if o.Default != nil {
				values[o.Name] = o.Default
			}
		case typeOf(value) != o.Type && (typeOf(value) != "string" || o.Type != Path):
			refuse(o.Name, fmt.Sprintf("is a %s where a %s is wanted", typeOf(value), o.Type))
		}
	}
	for name := range values {
		if !known[name] {
			refuse(name, s.unknown(name))
			delete(values, name)
		}
	}
	return values, nil
}

// typeOf returns the type that an option with such a JSON value has.
func typeOf(value json.RawMessage) string {
	switch bytes.TrimSpace(value)[0] {
	case '"':
		return "string"
	case '[':
		return "list"
	case '{':
		return "map"
	case 't', 'f':
		return "bool"
	}
	return "number"
}
