package config_test

import (
	"bytes"
	"os"
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

func FuzzParse(f *testing.F) {
	for _, bomb := range bombs {
		if len(bomb.src) < 10_000 { // slow with the fuzzer's counters
			f.Add([]byte(bomb.src))
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
		once, err := config.Format("servers.hcl", src)
		if err != nil {
			return
		}
		require.Equal(t, meaning(src), meaning(once), "what is said stays the same")
		twice, err := config.Format("servers.hcl", once)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
	})
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
