package framework_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

type limits struct {
	Most   int `json:"most" doc:"at most"`
	inner  `json:"-"`
	deeper `json:",omitempty"`
}

type inner struct{ Never int }

type deeper struct{ Depth int }

type someOptions struct {
	limits
	Name   string `json:"name,omitempty"`
	Secret string `json:"-"`
	Named  inner  `json:"named"`
}

// What is embedded is an option like the others, and what says that it is none is none.
func TestEmbeddedOptions(t *testing.T) {
	var given someOptions
	defaults := someOptions{limits: limits{Most: 3, deeper: deeper{4}}, Secret: "s"}
	c := framework.Define(defaults, func(o someOptions) (*framework.HandlerClass, error) {
		given = o
		return &framework.HandlerClass{New: func() framework.Handler { return &actor{} }}, nil
	})
	var names []string
	for _, o := range c.Options() {
		names = append(names, o.Name+" "+o.Type+" "+string(o.Default))
	}
	require.Equal(t, []string{`most number 3`, `depth number 4`, `name string ""`, `named map {"Never":0}`}, names)

	_, err := c.Class([]byte(`{"depth": 7, "name": "x"}`))
	require.NoError(t, err)
	expected := defaults
	expected.Depth, expected.Name = 7, "x"
	require.Equal(t, expected, given)
	for _, name := range []string{"secret", "limits", "never", "Secret"} {
		_, err = c.Class([]byte(`{"` + name + `": "x"}`))
		require.ErrorContains(t, err, `option "`+name+`": there is no such option`)
	}
}

// An embedded value that is written as text is one option.
func TestEmbeddedText(t *testing.T) {
	type options struct{ time.Time }
	c := framework.Define(options{}, func(options) (*framework.HandlerClass, error) { return nil, nil })
	require.Equal(t, "time", c.Options()[0].Name)
	require.Equal(t, "string", c.Options()[0].Type)
}

// Options that could not be told apart or set are the author's mistake.
func TestDefinePanics(t *testing.T) {
	type twice struct {
		limits
		Most int
	}
	type pointer struct{ *limits }
	require.PanicsWithValue(t, "framework: two options of framework_test.twice are named most; name one by a json tag", func() { framework.Define[twice](twice{}, nil).Options() })
	require.PanicsWithValue(t, "framework: options embed *framework_test.limits; embed the struct itself", func() { framework.Define[pointer](pointer{}, nil).Options() })
}

func TestConstructorWithoutClass(t *testing.T) {
	_, err := framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) { return nil, nil }).Class(nil)
	require.EqualError(t, err, "framework: the function given to Define returned neither a class nor an error; return a *HandlerClass")
}
