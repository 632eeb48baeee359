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
	declared := make([]options.Option, len(s.Declared))
	for i, o := range s.Declared {
		declared[i] = options.Option(o)
	}
	var refused []error
	refuse := func(name, problem string) {
		refused = append(refused, &framework.OptionError{Option: name, Problem: problem})
	}
	values, err := options.Complete(declared, given, func(name, problem string) {
		if len(declared) == 0 {
			problem = fmt.Sprintf("there is no such option; declare it: plugin %q { option %q {} } beside the servers", s.Name, name)
		}
		refuse(name, problem)
	})
	if err != nil {
		return nil, err
	}
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
			refuse(name, "has a zero byte, which no environment can have")
		}
		env = append(env, "OPTION_"+name+"="+text)
	}
	all, err := json.Marshal(values)
	return append(env, "SOCKETSERVER_OPTIONS="+string(all)), errors.Join(append(refused, err)...)
}
