package framework

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/go-socketserver/socketserver/framework/internal/options"
)

// Path is the type of an option that names a file or a directory. In a configuration it is
// relative to the file that names it; handlers get it joined, see [AbsolutePaths].
type Path string

// AbsolutePaths returns the values of options, a JSON object or nil, with relative ones of type
// Path joined to directory, defaults too. Values that do not decode are returned as they are:
// the constructor reports the error.
func AbsolutePaths(schema []Option, values []byte, directory string) ([]byte, error) {
	given := map[string]json.RawMessage{}
	if len(values) > 0 && json.Unmarshal(values, &given) != nil {
		return values, nil
	}
	for _, o := range schema {
		if o.Type != options.Path {
			continue
		}
		value, ok := given[o.Name]
		if !ok {
			value = o.Default
		}
		var path string
		if json.Unmarshal(value, &path) != nil || path == "" || filepath.IsAbs(path) {
			continue
		}
		joined, err := json.Marshal(filepath.Join(directory, path))
		if err != nil {
			return nil, fmt.Errorf("option %q: %w", o.Name, err)
		}
		given[o.Name] = joined
	}
	return json.Marshal(given)
}
