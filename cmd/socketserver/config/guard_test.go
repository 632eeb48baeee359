package config_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

func TestLineEndsAndByteOrderMark(t *testing.T) {
	src := "\ufeff" + strings.ReplaceAll(server(tcp+threading+echo), "\n", "\r\n")
	require.Equal(t, "localhost:9000", parse(t, src).Servers[0].Transports[0].Address)
	got := problems(t, strings.Replace(src, "threading", "treading", 1))
	require.Equal(t, []string{`3:13: server "s": there is no concurrency "treading"; did you mean "threading"?`}, got)
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

// bombs are sources that are small and want much. Without the guard some end the process.
var bombs = map[string]string{
	"parentheses":         "a = " + strings.Repeat("(", 1<<20-4),
	"parentheses closed":  "a = " + strings.Repeat("(", 100_000) + "1" + strings.Repeat(")", 100_000) + "\n",
	"mixed brackets":      strings.Repeat("(}[)", 1<<18),
	"blocks":              strings.Repeat("a {\n", 200_000),
	"objects":             "a = " + strings.Repeat("{a=", 200_000),
	"not":                 "a = " + strings.Repeat("!", 1<<20-10) + "true\n",
	"minus over lines":    "a = (" + strings.Repeat("-\n", 200_000) + "1)\n",
	"sum":                 "a = 1" + strings.Repeat("+1", 100_000) + "\n",
	"sum over lines":      "a = (1" + strings.Repeat("+1\n", 100_000) + ")\n",
	"conditions":          "a = " + strings.Repeat("1?1:", 100_000) + "1\n",
	"indexes":             "a = b" + strings.Repeat("[0]", 100_000) + "\n",
	"attributes":          "a = b" + strings.Repeat(".c", 100_000) + "\n",
	"interpolations":      "a = " + strings.Repeat(`"${`, 100_000),
	"directives":          "a = \"" + strings.Repeat(`%{if true}`, 50_000) + "\"\n",
	"directives stripped": "a = \"" + strings.Repeat(`%{~ for x in y ~}`, 50_000) + "\"\n",
	"heredocs":            "a = " + strings.Repeat("<<E\n${", 100_000),
	"heredoc of lines":    "a = <<E\n" + strings.Repeat("\n", 1<<19) + "E\n",
	"list":                "a = [" + strings.Repeat("1,", 500_000) + "]\n",
	"lines":               strings.Repeat("a\n", 1<<19),
	"digits":              "a = " + strings.Repeat("9", 1<<20-10) + "\n",
	"exponent":            server(tcp + threading + `handler "greet" { requests = 1e999999999 }`),
	"exponent as text":    server(tcp + threading + `handler "greet" { greeting = "${1e999999999}" }`),
	"large":               strings.Repeat("#", 1<<20+1),
	"half a comment":      strings.Repeat("/* ( */ (", 100_000),
	"no comment":          strings.Repeat("/* ( ", 40_000),
	"no comments":         strings.Repeat("/*\n", 40_000),
	"quotes":              strings.Repeat("\"\n", 500_000),
	"here":                strings.Repeat("<<a", 300_000),
	"dollars":             "a = \"" + strings.Repeat("$", 1<<20-10),
	"backslashes":         "a = \"" + strings.Repeat("\\", 1<<20-10),
	"name":                strings.Repeat("a", 1<<20-10),
	"labels":              "a " + strings.Repeat("\"b\" ", 16_000) + "{}\n",
	"attributes unknown":  strings.Repeat("a = b\n", 16_000),
	"blocks unknown":      strings.Repeat("b {}\n", 16_000),
	"combining":           "a = \"" + strings.Repeat("\u0301", 1<<19-10),

	"billion turns":               option(`length([for a in range(1000) : [for b in range(1000) : [for c in range(1000) : c]]])`),
	"billion turns of literals":   option(`length(` + strings.Repeat("[for a in [1,2,3,4,5,6,7,8] : ", 20) + "1" + strings.Repeat("]", 20) + `)`),
	"billion turns of a template": option(`"` + strings.Repeat("%{for a in range(1000)}", 5) + "x" + strings.Repeat("%{endfor}", 5) + `"`),
	"billion turns of keys":       option(`length({for a in range(1000) : length([for b in range(1000) : length([for c in range(1000) : c])]) => 1})`),
	"billion turns of conditions": option(`length([for a in range(1000) : 1 if length([for b in range(1000) : 1 if length(range(1000)) > 0]) > 0])`),
	"doubled text":                option(strings.Repeat(`[for x in [`, 30) + `"xxxxxxxx"` + strings.Repeat(` ] : "${x}${x}${x}${x}"][0]`, 30)),
	"doubled lists":               option(`length(` + strings.Repeat(`[for x in [`, 30) + `"xxxxxxxx"` + strings.Repeat(` ] : [x, x, x, x]][0]`, 30) + `)`),
	"squared number":              option(`"` + "${" + strings.Repeat(`[for x in [`, 30) + `1e99` + strings.Repeat(` ] : x * x][0]`, 30) + `}"`),
	"replaced":                    option(strings.Repeat(`replace(`, 60) + `"x"` + strings.Repeat(`, "x", "xxxxxxxxxxxxxxxx")`, 60)),
	"replaced by regex":           option(strings.Repeat(`regexreplace(`, 60) + `"x"` + strings.Repeat(`, "x", "$0$0$0$0$0$0")`, 60)),
	"encoded":                     option(strings.Repeat(`jsonencode(`, 60) + `"\""` + strings.Repeat(`)`, 60)),
	"joined":                      option(strings.Repeat(`join(`, 30) + `"xxxxxxxx"` + strings.Repeat(`, split("", "xxxxxxxxxxxxxxxxxxxxxxxx"))`, 30)),
	"formatted":                   option(strings.Repeat(`format("%[1]s%[1]s%[1]s%[1]s", `, 60) + `"x"` + strings.Repeat(`)`, 60)),
	"padded":                      option(`format("%1000000000d", 1)`),
	"precise":                     option(`format("%.1000000000f", 1)`),
	"deep JSON":                   option(`jsondecode("` + strings.Repeat("[", 200_000) + `")`),
	"deep JSON from text":         option(`jsondecode(format("%s%s", "` + strings.Repeat("[", 1000) + `", "` + strings.Repeat("]", 1000) + `"))`),
	"exponent in JSON":            option(`jsondecode("1e999999999")`),
}

func option(expression string) string {
	return server(tcp + threading + "handler \"greet\" { greeting = " + expression + " }")
}

func TestBombs(t *testing.T) {
	for name, src := range bombs {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := config.Parse("servers.hcl", []byte(src), catalog)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			require.NotEmpty(t, linesOf(t, err))
			require.Less(t, len(err.Error()), 20_000)
			t.Log(took, (after.TotalAlloc-before.TotalAlloc)>>20, "MiB", strings.SplitN(err.Error(), "\n", 2)[0])
		})
	}
}

func TestLargeButFine(t *testing.T) {
	var b bytes.Buffer
	for i := range 500 {
		fmt.Fprintf(&b, "# %s\nserver \"s%d\" {\n transport \"tcp\" { address = \":%d\" }\n %s %s}\n", strings.Repeat("/* ", 30), i, 10000+i, threading, echo)
		fmt.Fprintf(&b, "/* %s */%s\n", strings.Repeat("((((", 50), strings.Repeat(" ", 1600))
	}
	require.Greater(t, b.Len(), 900_000)
	require.Len(t, parse(t, b.String()).Servers, 500)

	depth := strings.Repeat("[", 60) + strings.Repeat("]", 60)
	require.Len(t, problems(t, server(tcp+threading+"handler \"greet\" {\n tags = "+depth+"\n}")), 1) // of another type
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
		"<<EOT\nhello\nworld\nEOT":                                      "hello\nworld\n",
		`1 == 1 ? "yes" : "no"`:                                         "yes",
		`([{ a = "x" }, { a = "y" }][*].a)[1]`:                          "y",
	} {
		c := parse(t, server(tcp+threading+"handler \"greet\" {\n greeting = "+expression+"\n}"))
		require.JSONEq(t, fmt.Sprintf(`{"greeting": %q}`, want), string(c.Servers[0].Handler.Options), expression)
	}
}
