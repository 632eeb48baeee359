package framework_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

// duration is an option that is written as text.
type duration struct{ time.Duration }

func (d *duration) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(text))
	return err
}

func (d duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

type allOptions struct {
	Text     string             `json:"text" doc:"some words"`
	Count    int                `json:"count"`
	Ratio    float64            `json:"ratio"`
	Enabled  bool               `json:"enabled"`
	Names    []string           `json:"names"`
	Map      map[string]int     `json:"map"`
	Wait     duration           `json:"wait"`
	Nested   struct{ Deep int } `json:"nested"`
	Untagged string

	private int
}

// construct records what it was given.
func construct(given *allOptions) framework.Constructor {
	return framework.Define(allOptions{
		Text: "hello", Count: 3, Names: []string{"a"}, Wait: duration{time.Second}, private: 1,
	}, func(o allOptions) (*framework.HandlerClass, error) {
		*given = o
		return &framework.HandlerClass{New: func() framework.Handler { return &actor{} }}, nil
	})
}

func TestConstructorOptions(t *testing.T) {
	var given allOptions
	options := construct(&given).Options()
	var names []string
	for _, o := range options {
		names = append(names, o.Name+" "+o.Type+" "+string(o.Default))
	}
	require.Equal(t, []string{
		`text string "hello"`, `count number 3`, `ratio number 0`, `enabled bool false`, `names list ["a"]`,
		`map map null`, `wait string "1s"`, `nested map {"Deep":0}`, `untagged string ""`,
	}, names)
	require.Equal(t, "some words", options[0].Doc)
}

// What is not given keeps its default, and a class does not change the next one's.
func TestConstructorDefaults(t *testing.T) {
	var given allOptions
	c := construct(&given)
	_, err := c.Class([]byte(`{"names": ["x"], "map": {"b": 2}}`))
	require.NoError(t, err)
	for options, want := range map[string]func(*allOptions){
		``:                              func(*allOptions) {},
		`{}`:                            func(*allOptions) {},
		`{"text": null, "count": null}`: func(*allOptions) {},
		`{"count": 7}`:                  func(o *allOptions) { o.Count = 7 },
		`{"wait": "3m"}`:                func(o *allOptions) { o.Wait.Duration = 3 * time.Minute },
		`{"nested": {"Deep": 2}}`:       func(o *allOptions) { o.Nested.Deep = 2 },
		`{"untagged": "x"}`:             func(o *allOptions) { o.Untagged = "x" },
		`{"map": {"a": 1}}`:             func(o *allOptions) { o.Map = map[string]int{"a": 1} },
		`{"names": ["x", "y"]}`:         func(o *allOptions) { o.Names = []string{"x", "y"} },
	} {
		expected := allOptions{Text: "hello", Count: 3, Names: []string{"a"}, Wait: duration{time.Second}, private: 1}
		want(&expected)
		_, err := c.Class([]byte(options))
		require.NoError(t, err, options)
		require.Equal(t, expected, given, options)
	}
}

// Every mistake is told, with the option and what to do.
func TestConstructorErrors(t *testing.T) {
	var given allOptions
	c := construct(&given)
	for options, says := range map[string]string{
		`{"txt": "x"}`:            `option "txt": there is no such option; did you mean "text"?`,
		`{"wholly": 1}`:           `there are text, count, ratio`,
		`{"Count": 1}`:            `did you mean "count"?`,
		`{"private": 1}`:          `there is no such option`,
		`{"count": "x"}`:          `option "count": is a string where a number is wanted, as in count = 3`,
		`{"text": 1}`:             `option "text": is a number where a string is wanted, as in text = "hello"`,
		`{"enabled": []}`:         `a bool is wanted`,
		`{"names": "x"}`:          `is a string where a list is wanted, as in names = ["a"]`,
		`{"names": [1]}`:          `option "names"`,
		`{"count": 1.5}`:          `option "count"`,
		`{"wait": "soon"}`:        `option "wait": time: invalid duration`,
		`{"nested": {"deap": 1}}`: `option "nested"`,
		`[]`:                      `decode options`,
		`{`:                       `decode options`,
	} {
		_, err := c.Class([]byte(options))
		require.ErrorContains(t, err, says, options)
		require.Len(t, strings.Split(err.Error(), "\n"), 1, options)
	}
	_, err := c.Class([]byte(`{"txt": 1, "count": "x", "ratio": "y"}`))
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok)
	require.Len(t, joined.Unwrap(), 3)
	for _, err := range joined.Unwrap() {
		var option *framework.OptionError
		require.ErrorAs(t, err, &option)
	}
}

// What does not decode hides nothing of what is wrong with other options, and nothing follows
// from the default that stands in its place.
func TestConstructorTellsAll(t *testing.T) {
	type options struct {
		Wait  duration `json:"wait"`
		Count int      `json:"count"`
	}
	c := framework.Define(options{}, func(o options) (*framework.HandlerClass, error) {
		return nil, errors.Join(
			&framework.OptionError{Option: "wait", Problem: "is missing"}, errors.New("something is wrong"),
			errors.Join(&framework.OptionError{Option: "count", Problem: fmt.Sprintf("is %d", o.Count)}),
		)
	})
	_, err := c.Class([]byte(`{"wait": "1x", "count": 7, "cuont": 1}`))
	told := strings.Split(err.Error(), "\n")
	require.Len(t, told, 3)
	require.Contains(t, told[0], `option "wait": time: unknown unit`)
	require.Contains(t, told[1], `option "cuont": there is no such option`)
	require.Equal(t, `option "count": is 7`, told[2])
}

// A handler without options says so.
func TestFuncHasNoOptions(t *testing.T) {
	_, err := echo.Class([]byte(`{"speed": 1}`))
	require.ErrorContains(t, err, "this handler has none")
	require.Empty(t, echo.Options())
}

// A constructor's own error is its class's.
func TestConstructFails(t *testing.T) {
	failed := errors.New("no")
	_, err := framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) { return nil, failed }).Class(nil)
	require.ErrorIs(t, err, failed)
	_, err = framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) { return &framework.HandlerClass{}, nil }).Class(nil)
	require.ErrorContains(t, err, "has New")
}

// What a class serves is what it says, or what its handler embeds.
func TestServes(t *testing.T) {
	require.Equal(t, []string{"tcp", "unix"}, (&framework.HandlerClass{New: func() framework.Handler { return &direct{} }}).Serves())
	require.Equal(t, []string{"tcp", "udp", "unix", "unixgram"}, class(t, echo).Serves())
	require.Equal(t, []string{"udp"}, (&framework.HandlerClass{Networks: []string{"udp"}, New: func() framework.Handler { return &direct{} }}).Serves())
}
