package plugin

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Prepare finds the plugins of those names in dir and builds those that are source. It returns
// the executable of each, in the user's cache directory where it was built, or why there is
// none. The go command runs each time, and its cache decides what is compiled. Builds are logged.
func Prepare(ctx context.Context, dir string, names []string, log hclog.Logger) (map[string]string, map[string]error) {
	paths, errs := map[string]string{}, map[string]error{}
	modules := map[string][]*found{} // by the directory of their go.mod
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		f, err := find(dir, name)
		switch {
		case err != nil:
			errs[name] = fmt.Errorf("plugin %q: %w", name, err)
		case f.source:
			root := moduleRoot(f.path)
			modules[root] = append(modules[root], f)
		default:
			paths[name] = f.path
		}
	}
	if len(modules) == 0 {
		return paths, errs
	}
	var mu sync.Mutex
	done := func(f *found, path string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			errs[f.name] = fmt.Errorf("plugin %q: %w", f.name, err)
			return
		}
		paths[f.name] = path
	}
	b, err := newBuilder(dir, log)
	var wg sync.WaitGroup
	for i, root := range slices.Sorted(maps.Keys(modules)) {
		all := modules[root]
		switch {
		case b == nil:
			for _, f := range all {
				done(f, "", err)
			}
		case err != nil:
			for _, f := range all {
				path, err := b.unchanged(root, f, err)
				done(f, path, err)
			}
		case i == 0: // alone, as it compiles what the others need as well
			b.module(ctx, root, all, done)
		default:
			wg.Go(func() { b.module(ctx, root, all, done) })
		}
	}
	wg.Wait()
	return paths, errs
}

// builder builds what lies in one directory of plugins.
type builder struct {
	goTool string // empty: there is none
	out    string // where the programs go
	env    []string
	dir    string
	log    hclog.Logger
}

func newBuilder(dir string, log hclog.Logger) (*builder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find a directory for what is built: %w; set XDG_CACHE_HOME", err)
	}
	cache = filepath.Join(cache, "socketserver")
	b := &builder{dir: dir, log: log}
	b.out = filepath.Join(cache, "plugins", fmt.Sprintf("%x", sha256.Sum256([]byte(dir)))[:16])
	// go renames what it has linked, if that is in the same file system.
	tmp := filepath.Join(b.out, ".tmp")
	made := os.MkdirAll(tmp, 0o700)
	if err := checkAround(b.out, b.out); err != nil && exists(b.out) {
		return nil, fmt.Errorf("%w (programs are built there; XDG_CACHE_HOME sets the place)", err)
	}
	if made != nil {
		return b, fmt.Errorf("make a directory for what is built: %w", made)
	}
	if b.goTool, err = exec.LookPath("go"); err != nil {
		const usual = "/usr/local/go/bin/go"
		if b.goTool = ""; exists(usual) {
			b.goTool = usual
		}
	}
	b.env = buildEnvironment(cache, tmp)
	if b.goTool != "" {
		err = b.settle(tmp)
	}
	return b, err
}

// settle takes what the user has set by go env -w about caches and modules into the
// environment, and nothing else of it, such as flags or another system.
func (b *builder) settle(tmp string) error {
	cmd := exec.Command(b.goTool, "env", "-json", "GOPATH", "GOCACHE", "GOMODCACHE",
		"GOPROXY", "GOPRIVATE", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOAUTH")
	cmd.Dir, cmd.Env = tmp, b.env // tmp is in no module
	var settings map[string]string
	text, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(text, &settings)
	}
	if err != nil {
		return fmt.Errorf("run %s env: %w", b.goTool, err)
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		b.env = append(b.env, name+"="+settings[name])
	}
	b.env = append(b.env, "GOENV=off")
	return nil
}

// buildEnvironment returns the environment of go: the places of its caches and modules, and
// nothing of the user's that changes the result.
func buildEnvironment(cache, tmp string) []string {
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !slices.Contains([]string{
			"PATH", "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR", "GOROOT", "GOPATH", "GOCACHE", "GOMODCACHE", "GOENV",
			"GOPROXY", "GOPRIVATE", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOAUTH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
		}, name)
	})
	if os.Getenv("HOME") == "" { // as under systemd
		env = append(env, "GOCACHE="+filepath.Join(cache, "go-build"), "GOMODCACHE="+filepath.Join(cache, "go-mod"))
	}
	return append(env, "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local", "CGO_ENABLED=0", "GOTMPDIR="+tmp)
}

// module builds the plugins of one module, all by one command.
func (b *builder) module(ctx context.Context, root string, all []*found, done func(*found, string, error)) {
	if b.goTool == "" {
		for _, f := range all {
			path, err := b.builtBefore(f)
			done(f, path, err)
		}
		return
	}
	if root != "" && len(all) > 1 && b.build(ctx, root, all...) == nil {
		for _, f := range all {
			done(f, b.path(f), nil)
		}
		return
	}
	for _, f := range all { // one at a time, so that each gets its own error
		path, err := b.unchanged(root, f, b.build(ctx, root, f))
		done(f, path, err)
	}
}

// unchanged returns the program of f, which was built unless err is set. Where nothing has
// changed since it was built before, err is about something else: a cache that cannot be
// written, the network, the disk. That program is used then.
func (b *builder) unchanged(root string, f *found, err error) (string, error) {
	if err == nil {
		return b.path(f), nil
	}
	program, failed := os.Stat(b.path(f))
	if failed != nil || errors.Is(err, context.Canceled) {
		return "", err
	}
	tree, _ := b.sourceTree()
	for _, dir := range []string{f.path, root, tree} {
		if dir == "" {
			continue
		}
		failed = errors.Join(failed, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && path != dir && strings.HasPrefix(d.Name(), "."):
				return filepath.SkipDir
			}
			info, err := d.Info()
			if err == nil && info.ModTime().After(program.ModTime()) {
				err = errChanged
			}
			return err
		}))
	}
	if failed != nil {
		return "", err
	}
	b.log.Warn("cannot build: the program is used that was built from the same source", "plugin", f.name, "error", err)
	return b.path(f), nil
}

var errChanged = errors.New("changed")

func (b *builder) path(f *found) string { return filepath.Join(b.out, f.name) }

// builtBefore returns the program that was built before, where there is no go command.
func (b *builder) builtBefore(f *found) (string, error) {
	if !exists(b.path(f)) {
		return "", fmt.Errorf("%s is source and there is no go command to build it; put Go on the PATH, or a built program named %s in its place", f.path, f.name)
	}
	b.log.Warn("no go command: the program that was built before is used and may be old", "plugin", f.name, "program", b.path(f))
	return b.path(f), nil
}

// build builds plugins of the module at root. If root is empty it is one plugin in no module.
func (b *builder) build(ctx context.Context, root string, all ...*found) error {
	args := []string{"build", "-trimpath", "-buildvcs=false"}
	in, env := root, b.env
	switch {
	case root == "":
		overlay, err := b.overlay(all[0])
		if err != nil {
			return err
		}
		in = all[0].path
		args = append(args, "-overlay", overlay, "-o", b.path(all[0]), ".")
	case root == all[0].path: // its own module
		env = append(slices.Clip(env), "GOPROXY=off")
		args = append(args, "-o", b.path(all[0]), ".")
	case len(all) == 1:
		args = append(args, "-o", b.path(all[0]), relative(root, all[0].path))
	default: // named after their directories
		args = append(args, "-o", b.out+"/")
		for _, f := range all {
			args = append(args, relative(root, f.path))
		}
	}
	return b.run(ctx, in, env, args, all)
}

func relative(root, path string) string { return "." + strings.TrimPrefix(path, root) }

func (b *builder) run(ctx context.Context, in string, env, args []string, all []*found) error {
	var names []string
	before := map[*found]os.FileInfo{}
	for _, f := range all {
		names = append(names, f.name)
		before[f], _ = os.Stat(b.path(f))
	}
	began := time.Now()
	slow := time.AfterFunc(time.Second, func() {
		b.log.Info("building "+strings.Join(names, ", ")+" (first time: up to a minute)", "in", in)
	})
	defer slow.Stop()
	cmd := exec.CommandContext(ctx, b.goTool, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = in, env, time.Second
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return buildError(in, all[0].path, string(output), err)
	}
	for _, f := range all {
		after, err := os.Stat(b.path(f))
		if err != nil || after.Mode()&0o111 == 0 {
			return fmt.Errorf("%s is no program: its package must be main", f.path)
		}
		if was := before[f]; was == nil || !os.SameFile(was, after) {
			b.log.Info("built", "plugin", f.name, "from", f.path, "took", time.Since(began).Round(time.Millisecond).String())
		}
	}
	return nil
}

// position matches the beginning of an error with a place, relative to where go ran.
var position = regexp.MustCompile(`^(\./|\.\./)*[^ :]+\.go:\d+`)

// isNoise reports whether go prints line beside errors.
func isNoise(line string) bool {
	return line == "" || line == "too many errors" || startsWithAny(line, "# ", "go get ", "go: downloading ", "go: extracting ", "go: finding ", "go: upgraded ", "go: added ")
}

func startsWithAny(s string, begins ...string) bool {
	return slices.ContainsFunc(begins, func(b string) bool { return strings.HasPrefix(s, b) })
}

// undeclared is the linker's error for a program without main; it names no file.
const undeclared = "function main is undeclared in the main package"

// buildError makes one line of the output of go, which ran in the directory in for the plugin
// at path.
func buildError(in, path, output string, err error) error {
	const most = 3
	var lines []string
	for line := range strings.Lines(output) {
		// What go advises to add is not all; nextStep has the rest.
		line = strings.TrimSuffix(strings.TrimSpace(line), "; to add it:")
		switch {
		case isNoise(line):
			continue
		case position.MatchString(line) && !filepath.IsAbs(line):
			at := position.FindString(line)
			line = filepath.Join(in, at) + line[len(at):]
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
	return errors.New("it does not build: " + text + nextStep(in, output))
}

// nextStep returns what to do about the modules that a plugin needs, after a semicolon, or ""
// if the output is not about them.
func nextStep(in, output string) string {
	switch {
	case strings.Contains(output, "no required module provides package "+ownModule):
		return "; run: cd " + in + " && go mod edit -replace " + ownModule + "=DIRECTORY-OF-ITS-SOURCE && go mod tidy"
	case strings.Contains(output, "updates to go.mod needed"), strings.Contains(output, "missing go.sum entry"),
		strings.Contains(output, "but not required"), strings.Contains(output, "no required module provides package"):
		return "; run: cd " + in + " && go mod tidy"
	case strings.Contains(output, "disabled by GOPROXY=off"):
		return "; it is built without network: run: cd " + in + " && go mod download"
	}
	for _, text := range []string{`: Get "http`, `: reading http`, "dial tcp", "proxyconnect", "no such host"} {
		if !strings.Contains(output, text) {
			continue
		}
		return "; check the network and go env GOPROXY, then run: cd " + in + " && go mod download"
	}
	return ""
}

// moduleRoot returns the directory of the go.mod that dir belongs to, or "".
func moduleRoot(dir string) string {
	for ; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil && info.Mode().IsRegular() {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

const ownModule = "github.com/go-socketserver/socketserver"

var moduleLine = regexp.MustCompile(`(?m)^module[ \t].*$`)

// overlay makes a go.mod for a directory that is in no module, with the requirements of the
// source tree. It returns the file for go's -overlay that puts it there.
func (b *builder) overlay(f *found) (string, error) {
	tree, mod := b.sourceTree()
	if tree == "" {
		return "", fmt.Errorf(`%[1]s is in no Go module, and no source of socketserver is around it or the current directory; write %[1]s/go.mod with the lines "module %[2]s", "go 1.26.0", "require %[3]s v0.0.0", "replace %[3]s v0.0.0 => DIRECTORY-OF-ITS-SOURCE" and run: cd %[1]s && go mod tidy`, f.path, f.name, ownModule)
	}
	if err := checkAround(tree, tree); err != nil {
		return "", err
	}
	mod = moduleLine.ReplaceAllString(mod, "module plugin.local/"+f.name)
	mod += fmt.Sprintf("\nrequire %[1]s v0.0.0\n\nreplace %[1]s v0.0.0 => %[2]q\n", ownModule, tree)
	at := filepath.Join(b.out, ".module-"+f.name)
	replaced := map[string]string{
		filepath.Join(f.path, "go.mod"): at + ".mod",
		filepath.Join(f.path, "go.sum"): filepath.Join(tree, "go.sum"),
	}
	list, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	return at + ".json", errors.Join(os.WriteFile(at+".mod", []byte(mod), 0o600), os.WriteFile(at+".json", list, 0o600))
}

// sourceTree returns the directory of socketserver's source around the plugins or the current
// directory, and its go.mod.
func (b *builder) sourceTree() (string, string) {
	here, _ := os.Getwd()
	for _, dir := range []string{b.dir, here} {
		root := moduleRoot(dir)
		mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
		if root != "" && err == nil && strings.TrimPrefix(moduleLine.FindString(string(mod)), "module ") == ownModule {
			return root, string(mod)
		}
	}
	return "", ""
}
