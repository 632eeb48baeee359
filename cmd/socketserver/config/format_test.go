package config_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

func TestFormat(t *testing.T) {
	src := "\ufeffserver   \"s\" {\r\n# why\r\ntransport \"tcp\" { address=\":1\" }\n   concurrency \"threading\" {\nmax_threads=1 // few\n}\nhandler \"x\" {\na=1\nlonger = 2\n}\n}\n"
	got, err := config.Format("servers.hcl", []byte(src))
	require.NoError(t, err)
	require.Equal(t, "server \"s\" {\r\n  # why\r\n"+`  transport "tcp" { address = ":1" }
  concurrency "threading" {
    max_threads = 1 // few
  }
  handler "x" {
    a      = 1
    longer = 2
  }
}
`, string(got))
	_, err = config.Format("servers.hcl", []byte("a = \n"))
	require.EqualError(t, err, "servers.hcl:1:5: invalid expression; expected the start of an expression, but found an invalid expression token\n    a = \n        ^")
}

// Heredocs stay as they are, and what follows them is laid out.
func TestFormatHeredocs(t *testing.T) {
	for name, heredoc := range map[string]string{
		"expression over lines":   "<<EOT\n${join(\n  \", \",\n  [\"a\", \"b\"]\n)} {data}\nEOT",
		"indented":                "<<-EOT\n      ${join(\n \", \", [\n\"a\"])}\n   EOT",
		"object":                  "<<EOT\n${jsonencode({\n  a = [\n 1]\n})}\nEOT",
		"directive":               "<<EOT\n%{for x in [\n  \"a\"\n]~}\n  ${x}\n%{endfor}\nEOT",
		"inside another":          "<<EOT\n${upper(<<E\nx\nE\n)}\n  y\nEOT",
		"brackets in text":        "<<EOT\n  ((( [ {\nEOT",
		"nothing":                 "<<EOT\nEOT",
		"two in a call":           "join(<<EOT\n${upper(\n\"a\"\n)}\nEOT\n      , [<<EOT\n}\nEOT\n    ])",
		"quoted text, over lines": "\"${join(\n      \",\",\n      [\"a\"]\n    )}\"",
	} {
		t.Run(name, func(t *testing.T) {
			after := "\n    framing = \"line\"\n  }\n  limits { connections = 3 }\n}\n"
			want := "server \"s\" {\n  handler \"x\" {\n    format = " + heredoc + after
			src := "server \"s\" {\n handler \"x\" {\nformat=" + heredoc + strings.ReplaceAll(after, "  ", "")
			for range 2 {
				got, err := config.Format("servers.hcl", []byte(src))
				require.NoError(t, err)
				require.Equal(t, strings.ReplaceAll(want, "format = ", "format  = "), strings.ReplaceAll(string(got), "format = ", "format  = "))
				src = string(got)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	if flag.Lookup("test.fuzz").Value.String() != "" { // else TestBombs looks at them, which takes seconds
		for _, bomb := range bombs {
			if len(bomb.src) < slowToFuzz {
				f.Add([]byte(bomb.src))
			}
		}
	}
	f.Add([]byte(server(tcp + threading + echo)))
	f.Add([]byte("\ufeff# c\r\nserver \"s\" {\r\n/* x */ a = <<-E\n  x\n  E\n}\n"))
	f.Add([]byte("a = \"%{ if true ~} x %{ else } y %{ endif }\"\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		dir := t.TempDir()
		c, err := config.Parse(dir+"/servers.hcl", src, catalog)
		if err == nil {
			require.NotEmpty(t, c.Servers)
		} else {
			require.NotEmpty(t, linesOf(t, err))
			require.NotEmpty(t, err.Error())
		}
		requireSteadyFormat(t, src)
	})
}

// slowToFuzz is the number of bytes from which a source is slow with the fuzzer's counters.
const slowToFuzz = 10_000

// requireSteadyFormat requires that a source that can be formatted says the same then, and is left alone the next time.
func requireSteadyFormat(t *testing.T, src []byte) {
	t.Helper()
	once, err := config.Format("servers.hcl", src)
	if err != nil {
		return
	}
	require.Equal(t, meaning(src), meaning(once), "what is said stays the same")
	twice, err := config.Format("servers.hcl", once)
	require.NoError(t, err)
	require.Equal(t, string(once), string(twice))
}

// meaning is all but blanks and the ends of lines.
func meaning(src []byte) []string {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	var all []string
	for _, t := range tokens {
		if t.Type != hclsyntax.TokenNewline {
			all = append(all, string(bytes.TrimSpace(t.Bytes)))
		}
	}
	return all
}

// TestShippedFile keeps the file that a checkout starts in canonical layout.
func TestShippedFile(t *testing.T) {
	const name = "../../../servers.hcl"
	src, err := os.ReadFile(name)
	require.NoError(t, err)
	formatted, err := config.Format(name, src)
	require.NoError(t, err)
	require.Equal(t, string(formatted), string(src))
}
