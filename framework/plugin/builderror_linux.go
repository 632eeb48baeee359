package plugin

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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
	text := strings.Join(lines, "; ")
	if rest > 0 {
		text += fmt.Sprintf("; lines left out: %d", rest)
	}
	if text == "" {
		return fmt.Errorf("build it: %w", err)
	}
	return errors.New("it does not build: " + text + nextStep(root, output))
}

// nextStep returns what to do about the modules that a plugin needs, after a semicolon, or ""
// if the output is not about them.
func nextStep(root, output string) string {
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
