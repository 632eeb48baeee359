package render

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/internal/text"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestGolden(t *testing.T) {
	for _, format := range []string{"text", "markdown", "csv"} {
		t.Run(format, func(t *testing.T) {
			path := "testdata/report." + format
			got := write(t, readReport(t), format)
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
		})
	}
}

// The verdict, a table and a chart fit a terminal, however many subjects there are.
func TestShortText(t *testing.T) {
	r := readReport(t)
	short := func() string {
		var b bytes.Buffer
		require.NoError(t, Write(&b, r, "text", Options{}))
		require.LessOrEqual(t, strings.Count(b.String(), "\n"), lines)
		return b.String()
	}
	text := short()
	path := "testdata/report.short"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
	r.Warnings = []string{}
	require.Contains(t, short(), "did and the pictures")
	for _, m := range r.Loads[0].Results[:6] {
		m.Subject = "other " + m.Subject
		r.Subjects = append(r.Subjects, result.Subject{Name: m.Subject})
		r.Loads[0].Results = append(r.Loads[0].Results, m)
	}
	short()
}

// A sweep has a line for each subject, and a point for each number of clients.
func TestSweep(t *testing.T) {
	r := readReport(t)
	for _, clients := range []int{1, 8, 64} {
		for i, s := range r.Subjects {
			r.Sweep = append(r.Sweep, result.Point{Load: result.Connections, Subject: s.Name, Clients: clients, Rate: float64(clients * i)})
		}
	}
	chart := sweepOf(r)
	require.Equal(t, []point{{0, 1}, {50, 8}, {100, 64}}, chart.Ticks())
	require.Equal(t, []point{{0, 1.6}, {50, 12.5}, {100, 100}}, chart.Lines[8].Points)
	require.Equal(t, []point{{0, -1}, {50, -1}, {100, -1}}, chart.Lines[0].Points, "it was not measured")
	require.Equal(t, "0,49.2 50,43.75 100,0", chart.Lines[8].Path())
	require.Regexp(t, `  512/s │ +i\n`, write(t, r, "text"))
	require.Contains(t, write(t, r, "html"), `<polyline points="0,49.2 50,43.75 100,0"/>`)
	require.Nil(t, sweepOf(readReport(t)))
}

// Two runs are beside each other, and a difference is named if it is certain.
func TestPair(t *testing.T) {
	pair := func(second *result.Report, format string) string {
		var b bytes.Buffer
		require.NoError(t, WritePair(&b, readReport(t), second, format, Options{}))
		return b.String()
	}
	require.Contains(t, pair(readReport(t), "text"), "* No rate is certain to differ by more than a tenth.")
	faster := readReport(t)
	for i := range faster.Loads[0].Results[1].Rounds {
		faster.Loads[0].Results[1].Rounds[i].Rate *= 2
	}
	for _, format := range []string{"text", "markdown", "html"} {
		require.Contains(t, pair(faster, format), "threading answers more requests in the second run (connections: 2x ±")
	}
	other := readReport(t)
	for i := range other.Loads {
		other.Loads[i].Kind = "other"
	}
	var b bytes.Buffer
	require.NoError(t, WritePair(&b, readReport(t), other, "text", Options{}))
	require.Contains(t, b.String(), "Nothing can be compared")
	require.EqualError(t, WritePair(&bytes.Buffer{}, faster, faster, "csv", Options{}), "two runs are shown as text, markdown or html, not as csv")
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

func TestTextFits(t *testing.T) {
	text, _, _ := strings.Cut(write(t, readReport(t), "text"), "To repeat it") // the command is not broken
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), columns, line)
	}
}

func TestColor(t *testing.T) {
	text := write(t, readReport(t), "text")
	require.NotContains(t, text, "\x1b")
	var colored bytes.Buffer
	require.NoError(t, Write(&colored, readReport(t), "text", Options{Color: true}))
	require.Contains(t, colored.String(), colors["red"]+"* FAILED: "+plain)
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
		for _, char := range write(t, r, format) {
			require.False(t, char == '\t' || text.Block.Hides(char), "%s writes %q", format, char)
		}
	}
}

func TestMarkdownIsText(t *testing.T) {
	r := readReport(t)
	r.Environment.Command = ""
	r.Advice[0].Text = "<b>*[a](b)*</b> `x` | y"
	r.Mishaps[0].Rows[0].Finding = "a|b"
	text := write(t, r, "markdown")
	require.Contains(t, text, "&lt;b&gt;\\*\\[a\\](b)\\*&lt;/b&gt; \\`x\\` \\| y")
	require.Contains(t, text, `a\|b`)
}

func TestSheet(t *testing.T) {
	r := readReport(t)
	r.Mishaps[0].Rows[0].Finding = "=HYPERLINK(1)"
	rows, err := csv.NewReader(strings.NewReader(write(t, r, "csv"))).ReadAll()
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
	require.Contains(t, write(t, r, "markdown"), "| threading | - | - | - | - | - |\n")
	require.Contains(t, write(t, r, "csv"), "connections,threading,memory,,bytes\n")
}

func TestEmptyReport(t *testing.T) {
	for _, format := range Formats() {
		require.NotEmpty(t, write(t, &result.Report{}, format))
		one := &result.Report{Loads: []result.Load{{Kind: "connections", Results: []result.Measured{
			{Subject: "a"}, {Subject: "b", Rate: 1, Buckets: []result.Bucket{{UpTo: 1, Count: 1}}},
		}}}}
		require.NotEmpty(t, write(t, one, format))
	}
}

func TestReportStaysAsItIs(t *testing.T) {
	for _, format := range Formats() {
		r, want := readReport(t), readReport(t)
		spoil(r)
		spoil(want)
		write(t, r, format)
		require.Equal(t, want, r)
	}
}

func TestJSONIsTheReport(t *testing.T) {
	r := readReport(t)
	spoil(r)
	var got result.Report
	require.NoError(t, json.Unmarshal([]byte(write(t, r, "json")), &got))
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
		require.Contains(t, write(t, readReport(t), format), want)
	}
	r := readReport(t)
	r.Loads[0].Results[2].Unfinished = 40
	for i := range r.Loads[0].Results[2].Rounds {
		r.Loads[0].Results[2].Rounds[i].Requests = 10
	}
	require.Contains(t, write(t, r, "markdown"), "| forking | 7= | 282/s | 142 ms | &gt;216 ms | - | - | &gt;756 ms |")
	require.Contains(t, write(t, r, "csv"), "connections,forking,p99,,us\n")
}

// The signs are explained where they are used.
func TestNotes(t *testing.T) {
	r := readReport(t)
	require.Contains(t, notes(r, r.Loads[0]), "A latency with > is a lower bound, as requests failed or were still waiting when a round ended.")
	require.NotContains(t, strings.Join(notes(r, r.Loads[1]), " "), "lower bound")
	require.Equal(t, []string{"± is the 95 % interval. Those with = are not certain to differ from threading by more than a tenth."}, ratios(r, r.Loads[0]).Notes)
	r.Settings.Rate = 200
	require.Contains(t, notes(r, r.Loads[0]), "Places are by p99, of the subjects that kept the pace.")
}

func TestCompared(t *testing.T) {
	r := readReport(t)
	r.Settings.Rate, r.Settings.Server = 2000, "web"
	require.Equal(t, `handler "timestamp" over tcp (server "web"): 9 subjects, 64 clients, 10 s of load each `+
		`in 5 rounds, 2 k/s at a fixed pace, latencies from when a request was due.`, compared(r))
}

// Subjects that fared alike are in one line.
func TestGroups(t *testing.T) {
	served := result.Observation{Finding: "it was served", Lived: "yes"}
	of := func(subject string, o result.Observation) result.Observation {
		o.Subject = subject
		return o
	}
	rows := []result.Observation{of("a", served), of("b", served)}
	require.Equal(t, "all", groups(rows)[0].Who)
	all := groups(append(rows, of("c", result.Observation{Problem: "it does not start"})))
	require.Equal(t, []string{"a and b", "c"}, []string{all[0].Who, all[1].Who})
	require.Equal(t, "not tried: it does not start", all[1].What)
}
