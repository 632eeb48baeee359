package render

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// readReport is a comparison with all that there is to show: a subject that could not be
// measured, clients that were not served, errors, warnings and a condition that failed.
func readReport(t *testing.T) *result.Report {
	t.Helper()
	text, err := os.ReadFile("testdata/report.json")
	require.NoError(t, err)
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var r result.Report
	require.NoError(t, decoder.Decode(&r))
	return &r
}

func write(t *testing.T, r *result.Report, format string) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Write(&b, r, format, Options{Verbose: format == "text"}))
	return b.String()
}
