package render

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/internal/text"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestGolden(t *testing.T) {
	for _, format := range []string{"text", "markdown", "csv"} {
		t.Run(format, func(t *testing.T) {
			path := "testdata/report." + format
			got := write(t, readReport(t), format, Options{})
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

func TestUnknownFormat(t *testing.T) {
	err := Write(&bytes.Buffer{}, readReport(t), "yaml", Options{})
	require.EqualError(t, err, `unknown format "yaml": use one of text, markdown, csv, json, html`)
	require.NoError(t, Check("html"))
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWriteFails(t *testing.T) {
	for _, format := range Formats() {
		err := Write(full{}, readReport(t), format, Options{})
		require.EqualError(t, err, "write the report as "+format+": no space left")
	}
}

// many is a report of twelve subjects with long names.
func many(t *testing.T) *result.Report {
	r := readReport(t)
	for i := range r.Loads {
		l := &r.Loads[i]
		for len(l.Results) < 12 {
			m := l.Results[1]
			m.Subject = fmt.Sprintf("plugin-preforking-with-%d-workers", len(l.Results))
			m.Cost.Started = 1 << 40
			l.Results = append(l.Results, m)
		}
	}
	return r
}

func TestTextFits(t *testing.T) {
	for _, columns := range []int{40, 60, 80, 100, 200} {
		for _, r := range []*result.Report{readReport(t), many(t)} {
			text := write(t, r, "text", Options{Width: columns})
			text, _, _ = strings.Cut(text, "To repeat it") // the command is not broken
			for line := range strings.Lines(text) {
				require.LessOrEqual(t, width(strings.TrimRight(line, "\n")), columns, line)
			}
		}
	}
}

func TestTextIsASCII(t *testing.T) {
	for _, char := range write(t, many(t), "text", Options{ASCII: true}) {
		require.Less(t, char, rune(0x80))
	}
}

func TestColor(t *testing.T) {
	text := write(t, readReport(t), "text", Options{})
	require.NotContains(t, text, "\x1b")
	colored := write(t, readReport(t), "text", Options{Color: true})
	require.Contains(t, colored, red+"FAILED  "+plain)
	require.NotEqual(t, text, colored)
}

const hostile = "\x1b]0;owned\x07\x1b[2J\u009b31m\u202eevil\u200b\xff</script><script>alert(1)</script>\r\n\t|"

// spoil puts a hostile text wherever there is one.
func spoil(r *result.Report) {
	r.Settings.Handler, r.Settings.Message, r.Environment.Command = hostile, hostile, hostile
	r.Subjects[0].Name, r.Subjects[0].Concurrency, r.Subjects[0].Form = hostile, hostile, hostile
	for i := range r.Loads {
		l := &r.Loads[i]
		l.Results[0].Subject = hostile
		l.Results[1].Errors = map[string]int64{hostile: 1}
		l.Results[6].Problem = hostile
	}
	r.Loads[1].Kind = hostile
	r.Mishaps[0].Title, r.Mishaps[0].Name = hostile, hostile
	r.Mishaps[0].Rows[0] = result.Observation{
		Subject: hostile, Finding: hostile, Noticed: hostile, CutOff: hostile, Lived: hostile, Left: hostile,
	}
	r.Ranks[0].Places[0] = []string{hostile}
	r.Comparisons[0].Subject = hostile
	r.Advice[0] = result.Advice{Text: hostile, Rests: []string{hostile}}
	r.Warnings[0] = hostile
	r.Assertions[0] = result.Assertion{Condition: hostile, Found: hostile}
}

func TestNothingActsOnATerminal(t *testing.T) {
	for _, format := range Formats() {
		r := readReport(t)
		spoil(r)
		for _, char := range write(t, r, format, Options{}) {
			require.False(t, char == '\t' || text.Block.Hides(char), "%s writes %q", format, char)
		}
	}
}

func TestMarkdownIsText(t *testing.T) {
	r := readReport(t)
	r.Environment.Command = ""
	r.Advice[0].Text = "<b>*[a](b)*</b> `x` | y"
	r.Mishaps[0].Rows[0].Finding = "a|b"
	text := write(t, r, "markdown", Options{})
	require.Contains(t, text, "&lt;b&gt;\\*\\[a\\](b)\\*&lt;/b&gt; \\`x\\` | y")
	require.Contains(t, text, `a\|b`)
}

func TestSheet(t *testing.T) {
	r := readReport(t)
	r.Mishaps[0].Rows[0].Finding = "=HYPERLINK(1)"
	rows, err := csv.NewReader(strings.NewReader(write(t, r, "csv", Options{}))).ReadAll()
	require.NoError(t, err) // and so all rows have the same number of cells
	require.Equal(t, []string{"load", "subject", "metric", "value", "unit"}, rows[0])
	require.Contains(t, rows, []string{"mishaps", "synchronous", "slow.finding", "'=HYPERLINK(1)", ""})
	require.Contains(t, rows, []string{"connections", "threading", "cpu", "121", "us/request"})
	require.Contains(t, rows, []string{"connections", "forking", "place", "7", ""})
}

func TestUnknownNumbers(t *testing.T) {
	r := readReport(t)
	r.Loads[0].Results[1].Cost = result.Cost{
		CPU: -1, Resident: -1, Proportional: -1, Started: -1, Processes: -1, Threads: -1, Descriptors: -1, Switches: -1,
	}
	require.Contains(t, write(t, r, "markdown", Options{}), "| threading | - | - | - | - | - | - | - | - |")
	require.Contains(t, write(t, r, "csv", Options{}), "connections,threading,memory,,bytes\n")
}

func TestNumbersThatAreNone(t *testing.T) {
	r := readReport(t)
	r.Loads[0].Results[1].Rate, r.Loads[0].Results[2].Cost.Switches = math.Inf(1), math.NaN()
	r.Loads[0].Results[3].Rate = math.NaN()
	r.Comparisons[0].Ratio = result.Ratio{Value: math.NaN(), Low: math.NaN(), High: math.Inf(1)}
	for _, format := range Formats() {
		require.NotRegexp(t, `NaN|Inf\b`, write(t, r, format, Options{}))
	}
}

func TestEmptyReport(t *testing.T) {
	for _, format := range Formats() {
		require.NotEmpty(t, write(t, &result.Report{}, format, Options{}))
		one := &result.Report{Loads: []result.Load{{Kind: "connections", Results: []result.Measured{
			{Subject: "a"}, {Subject: "b", Rate: 1, Buckets: []result.Bucket{{UpTo: 1, Count: 1}}},
		}}}}
		require.NotEmpty(t, write(t, one, format, Options{}))
	}
}

func TestReportStaysAsItIs(t *testing.T) {
	for _, format := range Formats() {
		r, want := readReport(t), readReport(t)
		spoil(r)
		spoil(want)
		write(t, r, format, Options{})
		require.Equal(t, want, r)
	}
}

func TestJSONIsTheReport(t *testing.T) {
	r := readReport(t)
	spoil(r)
	var got result.Report
	require.NoError(t, json.Unmarshal([]byte(write(t, r, "json", Options{})), &got))
	require.Equal(t, strings.ToValidUTF8(hostile, "\ufffd"), got.Warnings[0])
	require.Equal(t, r.Loads[0].Results[2:6], got.Loads[0].Results[2:6])
}

// TestNotCounted holds that a number which is only a lower bound is shown as one everywhere.
func TestNotCounted(t *testing.T) {
	for format, want := range map[string]string{
		"text":     ">320 ms  >454 ms  >756 ms",
		"markdown": "| &gt;320 ms | &gt;454 ms | &gt;756 ms |",
		"csv":      "connections,forking,p99,320485.971,us or more\n",
		"html":     "<td>&gt;320 ms</td><td>&gt;454 ms</td>",
	} {
		require.Contains(t, write(t, readReport(t), format, Options{}), want)
	}
	r := readReport(t)
	r.Loads[0].Results[2].Unfinished = 40
	for i := range r.Loads[0].Results[2].Rounds {
		r.Loads[0].Results[2].Rounds[i].Requests = 10
	}
	require.Contains(t, write(t, r, "markdown", Options{}), "| forking | 7= | 282/s | 142 ms | &gt;216 ms | - | - | &gt;756 ms |")
	require.Contains(t, write(t, r, "csv", Options{}), "connections,forking,p99,,us\n")
}
