package plugin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/internal/text"
)

// position matches the beginning of an error with a place, relative to where go ran.
var position = regexp.MustCompile(`^(\./|\.\./)*[^ :]+\.go:\d+`)

// noise matches a line that go prints beside errors.
var noise = regexp.MustCompile(`^($|too many errors$|# |go get |go: (downloading|extracting|finding|upgraded|added) )`)

// undeclared is the linker's error for a program without main; it names no file.
const undeclared = "function main is undeclared in the main package"

// buildError makes one line of the output of go, which ran in path, the directory of a plugin in
// the module at root.
func buildError(path, root, output string, err error) error {
	const most = 3
	var lines []string
	for line := range strings.Lines(output) {
		// What go advises to add is not all; nextStep has the rest.
		line = strings.TrimSuffix(strings.TrimSpace(line), "; to add it:")
		switch {
		case noise.MatchString(line):
			continue
		case position.MatchString(line) && !filepath.IsAbs(line):
			at := position.FindString(line)
			line = filepath.Join(path, at) + line[len(at):]
		case strings.HasSuffix(line, undeclared):
			line = path + " has no function main; write func main() { plugin.Serve(...) }"
		}
		lines = append(lines, line)
	}
	rest := max(len(lines)-most, 0)
	if rest > 0 { // the first ones and the last one stay
		lines = slices.Delete(lines, most-1, len(lines)-1)
	}
	said := strings.Join(lines, "; ")
	if rest > 0 {
		said += fmt.Sprintf("; lines left out: %d", rest)
	}
	if said == "" {
		return fmt.Errorf("build it: %w", err)
	}
	return errors.New("it does not build: " + said + nextStep(root, output))
}

// absent matches what go says of a package that a module does not have.
var absent = regexp.MustCompile(`(?:no required module provides package|does not contain package) (` + regexp.QuoteMeta(ownModule) + `/[^\s;:]+)`)

// respell returns what to do about an import of socketserver that it does not have, "" where output tells of none.
func respell(root, output string) string {
	found := absent.FindStringSubmatch(output)
	mod, _ := os.ReadFile(filepath.Join(root, "go.mod"))
	own := strings.TrimPrefix(moduleLine.FindString(string(mod)), "module ") == ownModule
	if found == nil || !own && !strings.Contains(output, "does not contain package") { // it may be there, in a module that is not
		return ""
	}
	var packages []string
	if own {
		_ = filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".go" {
				packages = append(packages, ownModule+strings.TrimPrefix(filepath.Dir(path), root))
			}
			return nil
		})
	}
	return "; " + text.Hint(found[1], nearby(found[1], packages), "there is no such package; correct its path")
}

// nearby returns the packages that are spelt like path in all but one element: whole paths have too much in common.
func nearby(path string, packages []string) []string {
	return slices.DeleteFunc(slices.Compact(packages), func(p string) bool {
		a, b := strings.Split(path, "/"), strings.Split(p, "/")
		if len(a) != len(b) {
			return true
		}
		differ := 0
		for i := range a {
			if a[i] != b[i] {
				if differ++; text.Nearest(a[i], b[i:i+1]) == "" {
					return true
				}
			}
		}
		return differ > 1
	})
}

// nextStep returns what to do about the modules that a plugin needs, after a semicolon, or ""
// if the output is not about them.
func nextStep(root, output string) string {
	if next := respell(root, output); next != "" {
		return next
	}
	switch {
	case strings.Contains(output, "no required module provides package "+ownModule):
		return "; run: cd " + root + " && go mod edit -replace " + ownModule + "=DIRECTORY-OF-ITS-SOURCE && go mod tidy"
	case strings.Contains(output, "updates to go.mod needed"), strings.Contains(output, "missing go.sum entry"),
		strings.Contains(output, "but not required"), strings.Contains(output, "no required module provides package"):
		return "; run: cd " + root + " && go mod tidy"
	case strings.Contains(output, "disabled by GOPROXY=off"):
		return "; it is built without network: run: cd " + root + " && go mod download"
	}
	unfetched := func(text string) bool { return strings.Contains(output, text) }
	if slices.ContainsFunc([]string{`: Get "http`, `: reading http`, "dial tcp", "proxyconnect", "no such host"}, unfetched) {
		return "; check the network and go env GOPROXY, then run: cd " + root + " && go mod download"
	}
	return ""
}
