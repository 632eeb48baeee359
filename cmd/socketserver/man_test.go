package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// manualPages writes the manual pages and returns their directory and their texts by name.
func manualPages(t *testing.T) (dir string, pages map[string]string) {
	t.Helper()
	dir, pages = t.TempDir(), map[string]string{}
	printed, err := exec.Command("socketserver", "man", dir).Output()
	require.NoError(t, err)
	for path := range strings.FieldsSeq(string(printed)) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		pages[filepath.Base(path)] = string(text)
	}
	require.Greater(t, len(pages), 10)
	return dir, pages
}

func TestManualSections(t *testing.T) {
	t.Parallel()
	_, pages := manualPages(t)
	serve := []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "FILES", "SIGNALS", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"}
	for name, sections := range map[string][]string{
		"socketserver.1": serve, "socketserver-serve.1": serve, "socketserver-connect.1": {"DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"},
		"servers.hcl.5": {"NAME", "DESCRIPTION", "TRANSPORT", "CONCURRENCY", "LIMITS", "TIMEOUTS", "SEE ALSO"},
	} {
		last := 0
		for _, section := range sections {
			at := strings.Index(pages[name], "\n.SH "+section+"\n")
			require.Greater(t, at, last, "%s of %s", section, name)
			last = at
		}
	}
	require.NotContains(t, pages["socketserver-connect.1"], "\n.SH SIGNALS\n")
}

// The page of the configuration has every attribute of the reference that it is made from.
func TestManualOfConfiguration(t *testing.T) {
	t.Parallel()
	_, pages := manualPages(t)
	reference, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	rows := regexp.MustCompile("(?m)^\\|[^`|]*(?:\\|[^`|]*)?`([a-z_]+)` \\|").FindAllStringSubmatch(string(reference), -1)
	require.Greater(t, len(rows), 20)
	for _, row := range rows {
		require.Contains(t, pages["servers.hcl.5"], `\fB`+row[1]+`\fR`)
	}
	require.NotContains(t, pages["servers.hcl.5"], "\n|", "a row of a table")
}

// The manual has every variable of the environment that the code reads by its name.
func TestManualOfEnvironment(t *testing.T) {
	t.Parallel()
	_, pages := manualPages(t)
	read := regexp.MustCompile(`os\.(?:Getenv|LookupEnv)\("(\w+)"\)`)
	found := 0
	require.NoError(t, filepath.WalkDir("../..", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		for _, variable := range read.FindAllStringSubmatch(string(src), -1) {
			found++
			require.Regexp(t, `\\fB`+variable[1]+`\\fR`, pages["socketserver.1"], path)
		}
		return err
	}))
	require.Greater(t, found, 5)
}

func TestManualWithoutWarnings(t *testing.T) {
	t.Parallel()
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("groff is not installed")
	}
	dir, pages := manualPages(t)
	args := []string{"-t", "-ww", "-man", "-Tutf8", "-z"}
	for name := range pages {
		args = append(args, filepath.Join(dir, name))
	}
	out, err := exec.Command(groff, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, string(out))
}
