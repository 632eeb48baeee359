package framework_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

func TestAbsolutePaths(t *testing.T) {
	type options struct {
		Root framework.Path `json:"root"`
		Log  framework.Path `json:"log"`
		Name string         `json:"name"`
	}
	schema := framework.Define(options{Root: "."}, func(options) (*framework.HandlerClass, error) { return nil, nil }).Options()
	for given, want := range map[string]string{
		"":                              `{"root":"/etc/x"}`,
		`{"root":"a","log":"b/../c"}`:   `{"root":"/etc/x/a","log":"/etc/x/c"}`,
		`{"root":"/a","name":"b"}`:      `{"root":"/a","name":"b"}`,
		`{"root":1,"log":"","other":2}`: `{"root":1,"log":"","other":2}`,
	} {
		got, err := framework.AbsolutePaths(schema, []byte(given), "/etc/x")
		require.NoError(t, err)
		require.JSONEq(t, want, string(got))
	}
}
