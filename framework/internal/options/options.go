// Package options describes the fields of a struct as options and sets them from JSON.
package options

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Path is the type of an option that names a file or a directory.
const Path = "path"

// A Schema describes the options that are fields of a struct, in the order of their declaration.
type Schema []option

// An Option has the fields of the framework's Option, so that one converts to the other. Its
// type is string, path, number, bool, list or map.
type Option struct {
	Name    string          `json:"name"`
	Type    string          `json:"type"`
	Default json.RawMessage `json:"default"`
	Doc     string          `json:"doc"`
}

type option struct {
	Option
	index []int // of the field
}

// Of returns the schema of a struct of default options. The json tag of a field names its
// option, "-" excludes it, and the doc tag describes it. Fields of an embedded struct count as
// the struct's own. Options of type path are paths. Of panics if two options have one name.
func Of(defaults any, path reflect.Type) Schema {
	var schema Schema
	value := reflect.ValueOf(defaults)
	for _, f := range fields(value.Type(), nil) {
		o := option{Option{Name: nameOf(f), Type: kindOf(f.Type), Doc: f.Tag.Get("doc")}, f.Index}
		if f.Type == path {
			o.Type = Path
		}
		var err error
		if o.Default, err = json.Marshal(value.FieldByIndex(f.Index).Interface()); err != nil {
			panic(fmt.Sprintf("framework: default of option %s: %v", f.Name, err))
		}
		if slices.ContainsFunc(schema, func(other option) bool { return other.Name == o.Name }) {
			panic(fmt.Sprintf("framework: two options of %s are named %s; name one by a json tag", value.Type(), o.Name))
		}
		schema = append(schema, o)
	}
	return schema
}

// fields returns the fields of options, with those of the structs that it embeds. It is
// itself embedded at the index at.
func fields(options reflect.Type, at []int) []reflect.StructField {
	var all []reflect.StructField
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
		case embedded && f.Type.Kind() == reflect.Struct && kindOf(f.Type) == "map":
			all = append(all, fields(f.Type, f.Index)...)
		case f.IsExported():
			all = append(all, f)
		}
	}
	return all
}

func nameOf(f reflect.StructField) string {
	if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
		return name
	}
	return strings.ToLower(f.Name)
}

func kindOf(t reflect.Type) string {
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
