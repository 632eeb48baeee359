package render

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// A schema is as much of JSON Schema as the report's uses.
type schema struct {
	Schema      string             `json:"$schema"`
	Ref         string             `json:"$ref"`
	Defs        map[string]*schema `json:"$defs"`
	Title       string             `json:"title"`
	Description string             `json:"description"`
	Type        string             `json:"type"`
	Format      string             `json:"format"`
	Properties  map[string]*schema `json:"properties"`
	Required    []string           `json:"required"`
	Additional  any                `json:"additionalProperties"`
	Items       *schema            `json:"items"`
	Enum        []any              `json:"enum"`
	Const       any                `json:"const"`
	Minimum     *float64           `json:"minimum"`
	Maximum     *float64           `json:"maximum"`
}

func readSchema(t *testing.T) *schema {
	t.Helper()
	file, err := os.Open("../../../../docs/compare.schema.json")
	require.NoError(t, err)
	defer file.Close()
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	var s schema
	require.NoError(t, decoder.Decode(&s))
	return &s
}

// check reports where v, at path, does not follow s.
func (s *schema) check(root *schema, v any, path string) error {
	if s.Ref != "" {
		return root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")].check(root, v, path)
	}
	if s.Const != nil && s.Const != v || s.Enum != nil && !slices.Contains(s.Enum, v) {
		return fmt.Errorf("%s is %v", path, v)
	}
	switch v := v.(type) {
	case map[string]any:
		return s.checkObject(root, v, path)
	case []any:
		if s.Type != "array" {
			return fmt.Errorf("%s is an array", path)
		}
		for i, item := range v {
			if err := s.Items.check(root, item, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	case float64:
		if s.Type != "number" && (s.Type != "integer" || v != math.Trunc(v)) ||
			s.Minimum != nil && v < *s.Minimum || s.Maximum != nil && v > *s.Maximum {
			return fmt.Errorf("%s is %v", path, v)
		}
		return nil
	case string:
		if s.Format == "date-time" {
			_, err := time.Parse(time.RFC3339, v)
			return err
		}
	}
	if kind := map[bool]string{true: "string", false: "boolean"}[reflect.TypeOf(v) == reflect.TypeFor[string]()]; v == nil || s.Type != kind {
		return fmt.Errorf("%s is %v", path, v)
	}
	return nil
}

func (s *schema) checkObject(root *schema, v map[string]any, path string) error {
	if s.Type != "object" {
		return fmt.Errorf("%s is an object", path)
	}
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			return fmt.Errorf("%s.%s is missing", path, name)
		}
	}
	for name, value := range v {
		property := s.Properties[name]
		if property == nil && s.Additional != false {
			property = &schema{Type: "integer"} // the only such map counts
		}
		if property == nil {
			return fmt.Errorf("%s.%s is not known", path, name)
		}
		if err := property.check(root, value, path+"."+name); err != nil {
			return err
		}
	}
	return nil
}

func decoded(t *testing.T, r *result.Report) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(write(t, r, "json")), &v))
	return v
}

func TestReportFollowsSchema(t *testing.T) {
	s := readSchema(t)
	require.NoError(t, s.check(s, decoded(t, readReport(t)), "report"))
	empty := &result.Report{Schema: result.Schema, Loads: []result.Load{{Results: []result.Measured{{}}}}}
	empty.Settings.Network, empty.Settings.Clients, empty.Settings.Rounds = "tcp", 1, 1
	require.NoError(t, s.check(s, decoded(t, empty), "report"), "lists without elements are lists")
}

func TestSchemaRefuses(t *testing.T) {
	s := readSchema(t)
	for want, spoil := range map[string]func(map[string]any){
		"report.schema is 2":           func(v map[string]any) { v["schema"] = 2.0 },
		"report.mishaps is <nil>":      func(v map[string]any) { v["mishaps"] = nil },
		"report.noisy is missing":      func(v map[string]any) { delete(v, "noisy") },
		"report.other is not known":    func(v map[string]any) { v["other"] = 1.0 },
		"report.warnings[0] is 1":      func(v map[string]any) { v["warnings"] = []any{1.0} },
		"report.settings.clients is 0": func(v map[string]any) { v["settings"].(map[string]any)["clients"] = 0.0 },
	} {
		v := decoded(t, readReport(t))
		spoil(v)
		require.EqualError(t, s.check(s, v, "report"), want)
	}
}

// TestSchemaIsOfTheTypes holds the document against the data, field by field.
func TestSchemaIsOfTheTypes(t *testing.T) {
	s := readSchema(t)
	require.Equal(t, "https://json-schema.org/draft/2020-12/schema", s.Schema)
	require.Equal(t, "#/$defs/Report", s.Ref)
	seen := map[string]bool{}
	same(t, s, reflect.TypeFor[result.Report](), seen)
	require.Len(t, s.Defs, len(seen), "no definition is left over")
}

func same(t *testing.T, root *schema, of reflect.Type, seen map[string]bool) {
	t.Helper()
	if seen[of.Name()] {
		return
	}
	seen[of.Name()] = true
	def := root.Defs[of.Name()]
	require.NotNil(t, def, of.Name())
	require.NotEmpty(t, def.Description)
	require.Equal(t, false, def.Additional)
	require.Len(t, def.Properties, of.NumField(), of.Name())
	require.Len(t, def.Required, of.NumField(), of.Name())
	for i := range of.NumField() {
		name := of.Field(i).Tag.Get("json")
		where := of.Name() + "." + name
		property := def.Properties[name]
		require.NotNil(t, property, where)
		require.Contains(t, def.Required, name)
		require.NotEmpty(t, property.Description, where)
		sameType(t, root, property, of.Field(i).Type, where, seen)
	}
}

func sameType(t *testing.T, root, s *schema, of reflect.Type, where string, seen map[string]bool) {
	t.Helper()
	switch {
	case of == reflect.TypeFor[time.Time]():
		require.Equal(t, "date-time", s.Format, where)
	case of == reflect.TypeFor[time.Duration]():
		require.Equal(t, "integer", s.Type, where)
		require.Contains(t, s.Description, "nanoseconds", where)
	case of.Kind() == reflect.Struct:
		require.Equal(t, "#/$defs/"+of.Name(), s.Ref, where)
		same(t, root, of, seen)
	case of.Kind() == reflect.Slice:
		require.Equal(t, "array", s.Type, where)
		sameType(t, root, s.Items, of.Elem(), where, seen)
	case of.Kind() == reflect.Map:
		require.Equal(t, "object", s.Type, where)
	case of.Kind() == reflect.Float64:
		require.Equal(t, "number", s.Type, where)
	case of.Kind() == reflect.String:
		require.Equal(t, "string", s.Type, where)
	case of.Kind() == reflect.Bool:
		require.Equal(t, "boolean", s.Type, where)
	default:
		require.Equal(t, "integer", s.Type, where)
	}
}
