package framework

import (
	"encoding/json"

	"github.com/go-socketserver/socketserver/framework/internal/options"
)

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
