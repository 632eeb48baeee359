package result

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSchemaIsOfTheTypes holds the document against the data, field by field.
func TestSchemaIsOfTheTypes(t *testing.T) {
	s := readSchema()
	require.Equal(t, "https://json-schema.org/draft/2020-12/schema", s.Schema)
	require.Equal(t, "#/$defs/Report", s.Ref)
	seen := map[string]bool{}
	same(t, s, reflect.TypeFor[Report](), seen)
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
