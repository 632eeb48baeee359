package config_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

func TestLineEndsAndByteOrderMark(t *testing.T) {
	src := "\ufeff" + strings.ReplaceAll(server(tcp+threading+echo), "\n", "\r\n")
	require.Equal(t, "localhost:9000", parse(t, src).Servers[0].Transports[0].Address)
	got := problems(t, strings.Replace(src, "threading", "treading", 1))
	require.Equal(t, []string{`3:13: server "s": there is no concurrency "treading"; did you mean "threading"?`}, got)
	_, err := config.Parse("servers.hcl", []byte("\ufeffa = 1\r\n"), catalog)
	require.EqualError(t, err, "servers.hcl:1:1: there is no attribute \"a\" here; there is \"admin\", \"cluster\", \"defaults\", \"include\", \"log\", \"metrics\", \"page\", \"plugin\", \"plugins\", \"reload\" and \"server\"\n    a = 1\n    ^")
}

func TestNotText(t *testing.T) {
	for src, want := range map[string]string{
		"a\nb\x00c":           "servers.hcl:2:2: there is a NUL byte; is it a text file? save it as UTF-8\n    b\\x00c\n     ^",
		"a\nbü\xffc":          "servers.hcl:2:3: there is a byte that is not UTF-8; save the file as UTF-8\n    büc\n      ^",
		"\xff\xfea\x00\n\x00": "servers.hcl: the file is UTF-16; save it as UTF-8",
	} {
		_, err := config.Parse("servers.hcl", []byte(src), catalog)
		require.EqualError(t, err, want)
		_, err = config.Format("servers.hcl", []byte(src))
		require.EqualError(t, err, want)
	}
}

// bombs are small sources that need much, and their errors. Without the guard some end the
// process.
var bombs = map[string]struct{ src, want string }{
	"parentheses":        {"a = " + strings.Repeat("(", 40_000), deep},
	"parentheses closed": {"a = " + strings.Repeat("(", 20_000) + "1" + strings.Repeat(")", 20_000) + "\n", deep},
	"blocks":             {strings.Repeat("a {\n", 10_000), deep},
	"objects":            {"a = " + strings.Repeat("{a=", 10_000), deep},
	"interpolations":     {"a = " + strings.Repeat(`"${`, 20_000), deep},
	"heredocs":           {"a = " + strings.Repeat("<<E\n${", 10_000), deep},
	"half a comment":     {strings.Repeat("/* ( */ (", 100), deep},

	"list":  {"a = [" + strings.Repeat("1,", 50_000) + "]\n", long},
	"lines": {strings.Repeat("a\n", 60_000), long},
	"large": {strings.Repeat("#", 1<<20+1), "larger than 1 MiB"},

	"directives":       {option(`"` + strings.Repeat(`%{if true}`, 1000) + `"`), "unexpected end of template"},
	"minus":            {option(strings.Repeat("-", 10_000) + "1"), "is a number where a string is wanted"},
	"exponent":         {option(`1e999999999`), much},
	"digits":           {option(`"${1e9999999}"`), much},
	"name":             {strings.Repeat("a", 100_000), "this is no configuration of socketserver"},
	"loops":            {option(`[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : c]]]`), much},
	"loops of none":    {option(`[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : c if false]]]`), much},
	"laughs":           {option(`[for x in ["lol"] : ` + strings.Repeat(`[for x in ["${x}${x}${x}${x}"] : `, 20) + "x" + strings.Repeat("]", 21)), much},
	"laughs in a list": {option("[for x in [1] : " + strings.Repeat("[for x in [[x, x, x, x]] : ", 20) + "x" + strings.Repeat("]", 21)), much},
	"product":          {option("[for x in [1e99] : " + strings.Repeat("[for x in [x * x * x] : ", 20) + `"${x}"` + strings.Repeat("]", 21)), much},
	"error in loops":   {option(`[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : jsondecode("")]]]`), "jsondecode(): EOF"},
	"json":             {option(`jsondecode(replace(format("%999999s", ""), " ", "["))`), "the JSON is nested more than 64 deep"},
	"width":            {option(`jsondecode(replace(format("%30000000s", ""), " ", "["))`), much},
	"widths":           {option(`formatlist("%999999s", range(1000))`), much},
	"precision":        {option(`format("%.99999999999999999999f", 1)`), much},
	"indent":           {option(`indent(9000000000, "\n")`), much},
	"indent by less":   {option(`indent(-1, "\n")`), "indent(): it is not defined for these arguments"},
	"replace":          {option(`replace(replace(format("%5000s", ""), " ", format("%500s", "")), " ", format("%9000s", ""))`), much},
	"regexreplace":     {option(`regexreplace(format("%999999s", ""), "(.*)", replace(format("%999s", ""), " ", "$1"))`), much},
	"regexall":         {option(`regexall(replace(format("%999s", ""), " ", "()"), format("%9999s", ""))`), much},
	"join":             {option(`join(format("%999999s", ""), range(1000))`), much},
	"setproduct":       {option(`setproduct(range(200), range(200), range(200))`), much},
	"blocks unknown":   {strings.Repeat("b {}\n", 8_000), "there is no block"},
}

const (
	deep = "are nested more than 64 deep"
	long = "more than 50000 words and signs"
	much = "the expressions of the configuration make more than 4 MiB"
)

func option(expression string) string {
	return server(tcp + threading + "handler \"greet\" { greeting = " + expression + " }")
}

func TestBombs(t *testing.T) {
	for name, bomb := range bombs {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("servers.hcl", []byte(bomb.src), catalog)
			require.ErrorContains(t, err, bomb.want)
			require.Less(t, len(err.Error()), 20_000)
			if len(bomb.src) < slowToFuzz {
				require.NotEmpty(t, linesOf(t, err))
				requireSteadyFormat(t, []byte(bomb.src))
			}
		})
	}
}

func TestLargeButFine(t *testing.T) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "/* %s */\n", strings.Repeat("((((\n", 10_000))
	for i := range 300 {
		fmt.Fprintf(&b, "server \"s%d\" {\n transport \"tcp\" { address = \":%d\" }\n %s %s} # /* (\n%s\n", i, 10000+i, threading, echo, strings.Repeat(" ", 3000))
	}
	require.Greater(t, b.Len(), 900_000)
	require.Len(t, parse(t, b.String()).Servers, 300)

	brackets := strings.Repeat("[", 60) + strings.Repeat("]", 60)
	require.Len(t, problems(t, server(tcp+threading+"handler \"greet\" {\n greeting = "+brackets+"\n}")), 1, "only of another type")
}

func TestLimitsOfAllFiles(t *testing.T) {
	dir := tree(t, map[string]string{
		"a.hcl": server(tcp+threading+echo) + strings.Repeat(" ", 600_000),
		"b.hcl": strings.Repeat(" ", 600_000),
	})
	_, err := config.Load(dir, catalog)
	require.EqualError(t, err, filepath.Join(dir, "b.hcl")+": the configuration is larger than 1 MiB; split the servers among several daemons")
	require.NoError(t, os.Remove(filepath.Join(dir, "b.hcl")))
	_, err = config.Load(dir, catalog)
	require.NoError(t, err)
}

func TestOrdinaryExpressions(t *testing.T) {
	for expression, want := range map[string]string{
		`join(",", [for i in range(500) : format("%03d", i) if i < 3])`: "000,001,002",
		`"%{for i in range(3)}${i}%{endfor}"`:                           "012",
		`jsonencode({for k in ["b", "a"] : k => upper(k)})`:             `{"a":"A","b":"B"}`,
		`jsondecode("{\"a\": [1, {\"b\": \"c\"}]}").a[1].b`:             "c",
		`replace("a-b-c", "-", "+")`:                                    "a+b+c",
		`format("%d", strlen(replace(join("", [for i in range(1000) : "${i}${i}"]), "1", "` + strings.Repeat("y", 500) + `")))`: "305180",
		`join(",", [for p in setproduct(["a"], ["b", "c"]) : join("", p)])`:                                                     "ab,ac",
		"<<EOT\nhello\nworld\nEOT":                "hello\nworld\n",
		`1 == 1 ? "yes" : "no"`:                   "yes",
		`format("%05.1f %-3s|%3d", 1.25, "a", 7)`: "001.2 a  |  7",
		`regexreplace("aXbX", "(X)", "<$1>")`:     "a<X>b<X>",
		`indent(2, "a\nb")`:                       "a\n  b",
		`([{ a = "x" }, { a = "y" }][*].a)[1]`:    "y",
	} {
		c := parse(t, server(tcp+threading+"handler \"greet\" {\n greeting = "+expression+"\n}"))
		require.JSONEq(t, fmt.Sprintf(`{"greeting": %q}`, want), string(c.Servers[0].Handler.Options), expression)
	}
}
