package framework

import (
	"encoding/json"
	"fmt"
	"path/filepath"
)

// Path is the type of an option that names a file or a directory. In a configuration it is
// relative to the file that names it; handlers get it joined, see [AbsolutePaths].
type Path string

const pathType = "path"

// AbsolutePaths returns options, a JSON object or nil, with those of type Path joined to
// directory where they are relative, defaults too. Where the options are wrong they are
// returned as they are: the constructor says what is wrong.
func AbsolutePaths(schema []Option, options []byte, directory string) ([]byte, error) {
	given := map[string]json.RawMessage{}
	if len(options) > 0 && json.Unmarshal(options, &given) != nil {
		return options, nil
	}
	for _, o := range schema {
		if o.Type != pathType {
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
