package render

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

func save(t *testing.T, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

func TestReportFollowsSchema(t *testing.T) {
	empty := &result.Report{Schema: result.Schema, Loads: []result.Load{{Results: []result.Measured{{}}}}}
	empty.Settings.Network, empty.Settings.Clients, empty.Settings.Rounds = "tcp", 1, 1
	for _, r := range []*result.Report{readReport(t), empty} {
		_, err := result.Read(save(t, []byte(write(t, r, "json"))))
		require.NoError(t, err)
	}
}

// A saved report of which any field was edited is shown, or refused with the name of the file and of the field.
func TestReportThatWasEdited(t *testing.T) {
	var report map[string]any
	require.NoError(t, json.Unmarshal([]byte(write(t, readReport(t), "json")), &report))
	shorten(report)
	report["sweep"] = []any{
		map[string]any{"load": "connections", "subject": "threading", "clients": 1.0, "rate": 5.0},
		map[string]any{"load": "connections", "subject": "threading", "clients": 16.0, "rate": 50.0},
		map[string]any{"load": "connections", "subject": "threading", "clients": 16.0, "rate": 51.0}, // once more
	}
	path := filepath.Join(t.TempDir(), "report.json")
	edits, whole := 0, readReport(t)
	show := func(field string) {
		edits++
		text, err := json.Marshal(report)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, text, 0o600))
		r, err := result.Read(path)
		if err != nil {
			if field != "schema" {
				require.Regexp(t, "^"+path+": "+strings.NewReplacer("[", `\[`, ".", `\.`).Replace(field)+" is .*, and not .*; correct it, or measure again with --save$", err.Error())
			}
			return
		}
		for _, format := range []string{"text", "html", "csv"} {
			require.NoError(t, Write(io.Discard, r, format, Options{Verbose: true}), "%s: %s", field, text)
		}
		require.NoError(t, WritePair(io.Discard, r, whole, "text", Options{}), field)
	}
	values := []any{-5.0, 0.5, 0.0, 1e300, float64(1 << 53), "", nil, []any{}}
	edit(report, "", func(field string, set func(any)) {
		for _, v := range values {
			set(v)
			show(field)
		}
	}, show)
	require.Greater(t, edits, 1000)

	report["loads"].([]any)[0].(map[string]any)["results"].([]any)[0].(map[string]any)["rounds"].([]any)[0].(map[string]any)["rate"] = -5.0
	text, err := json.Marshal(report)
	require.NoError(t, err)
	_, err = result.Read(save(t, text))
	require.ErrorContains(t, err, "report.json: loads[0].results[0].rounds[0].rate is -5, and not a number from 0 to 9007199254740992; correct it, or measure again with --save")
}

// shorten leaves the first elements of all lists.
func shorten(v any) {
	fields, _ := v.(map[string]any)
	for name, field := range fields {
		list, _ := field.([]any)
		if list != nil {
			list = slices.Clip(list[:min(len(list), 2)])
			fields[name] = list
		}
		for _, item := range append(list, field) {
			shorten(item)
		}
	}
}

// edit calls change for each field of v, of the first element of each list, and show without each field.
func edit(v any, path string, change func(path string, set func(any)), show func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			field, was := strings.TrimPrefix(path+"."+name, "."), v[name]
			edit(was, field, change, show)
			change(field, func(to any) { v[name] = to })
			delete(v, name)
			show(field)
			v[name] = was
		}
	case []any:
		if len(v) > 0 {
			was := v[0]
			edit(was, fmt.Sprintf("%s[0]", path), change, show)
			change(fmt.Sprintf("%s[0]", path), func(to any) { v[0] = to })
			v[0] = was
		}
	}
}
