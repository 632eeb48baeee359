package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/internal/options"
)

// optionEnvironment returns how a program learns its options: SOCKETSERVER_OPTIONS is the JSON
// object, and OPTION_name the text of one that is neither a list nor a map.
func (s *Settings) optionEnvironment() ([]string, error) {
	given, err := framework.AbsolutePaths(s.Declared, s.Options, s.Directory)
	if err != nil {
		return nil, err
	}
	var none func(name string) string
	if len(s.Declared) == 0 {
		none = func(name string) string {
			return fmt.Sprintf("there is no such option; declare it: plugin %q { option %q {} } beside the servers", s.Name, name)
		}
	}
	values, err := completeOptions(s.Declared, given, none)
	var env []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		text := string(values[name])
		switch text[0] {
		case '[', '{':
			continue
		case '"':
			_ = json.Unmarshal(values[name], &text)
		}
		if strings.Contains(text, "\x00") {
			err = errors.Join(err, &framework.OptionError{Option: name, Problem: "has a zero byte, which no environment can have"})
		}
		env = append(env, "OPTION_"+name+"="+text)
	}
	all, failed := json.Marshal(values)
	return append(env, "SOCKETSERVER_OPTIONS="+string(all)), errors.Join(err, failed)
}

// completeOptions returns the values of the options that a plugin has, and what is wrong with those
// given as [framework.OptionError]s, joined. none says that where it has no options; it may be nil.
func completeOptions(declared []framework.Option, given []byte, none func(name string) string) (map[string]json.RawMessage, error) {
	all := make([]options.Option, len(declared))
	for i, o := range declared {
		all[i] = options.Option(o)
	}
	var refused []error
	values, err := options.Complete(all, given, func(name, problem string) {
		if none != nil {
			problem = none(name)
		}
		refused = append(refused, &framework.OptionError{Option: name, Problem: problem})
	})
	return values, errors.Join(append(refused, err)...)
}
