package plugin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/internal/options"
)

// openStdio makes the class of a program that serves a request on its standard input and output.
// Nothing is started until a client comes.
func openStdio(_ context.Context, s Settings) (*framework.HandlerClass, error) {
	env, err := s.optionEnvironment()
	if err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	p := &framework.Stdio{
		Path: s.File(), Args: append([]string{cmp.Or(s.Command, s.Name)}, s.Args...),
		Env:          slices.Concat(s.Environment, env),
		Directory:    cmp.Or(s.WorkingDirectory, filepath.Dir(s.Path)),
		Restrictions: s.Limits,
		Sandbox:      s.Sandbox,
		Fields:       []any{"plugin", s.Name},
	}
	class, err := p.Class()
	if err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	return class, nil
}

func describeStdio(_ context.Context, s Settings) (*Description, error) {
	return &Description{Options: s.Declared, Networks: (&framework.HandlerClass{}).Serves()}, nil
}

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
