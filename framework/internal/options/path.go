package options

import (
	"encoding/json"
	"fmt"
	"path/filepath"
)

// Join returns values, a JSON object or nil, with the relative paths among them joined to
// directory. paths has the names of the options that are paths, and their defaults. Values
// that do not decode are returned as they are.
func Join(paths map[string]json.RawMessage, values []byte, directory string) ([]byte, error) {
	given := map[string]json.RawMessage{}
	if len(values) > 0 && json.Unmarshal(values, &given) != nil {
		return values, nil
	}
	for name, value := range paths {
		if set, ok := given[name]; ok {
			value = set
		}
		var path string
		if json.Unmarshal(value, &path) != nil || path == "" || filepath.IsAbs(path) {
			continue
		}
		joined, err := json.Marshal(filepath.Join(directory, path))
		if err != nil {
			return nil, fmt.Errorf("option %q: %w", name, err)
		}
		given[name] = joined
	}
	return json.Marshal(given)
}
