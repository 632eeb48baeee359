package plugin

import (
	"cmp"
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
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Prepare finds plugins, those in dir unless their definitions have a path, and builds those that
// are source. It returns complete definitions, with executables in the user's cache directory where
// they were built, or why a plugin cannot be used. The go command runs each time, and its cache decides
// what is compiled. Builds are logged.
func Prepare(ctx context.Context, dir string, plugins map[string]Definition, log hclog.Logger) (map[string]Definition, map[string]error) {
	var all, sources []*found
	for _, name := range slices.Sorted(maps.Keys(plugins)) {
		f := find(dir, name, plugins[name])
		all = append(all, f)
		if f.err == nil && f.source {
			sources = append(sources, f)
		}
	}
	if len(sources) > 0 {
		b := newBuilder(dir, log)
		b.prepare(ctx, sources[0]) // alone, as it compiles what the others need as well
		var others sync.WaitGroup
		turn := make(chan struct{}, runtime.GOMAXPROCS(0))
		for _, f := range sources[1:] {
			others.Go(func() {
				turn <- struct{}{}
				b.prepare(ctx, f)
				<-turn
			})
		}
		others.Wait()
	}
	ready, errs := map[string]Definition{}, map[string]error{}
	for _, f := range all {
		if f.err != nil {
			errs[f.name] = fmt.Errorf("plugin %q: %w", f.name, f.err)
			continue
		}
		ready[f.name] = f.Definition
	}
	return ready, errs
}

// builder builds what lies in one directory of plugins.
type builder struct {
	goTool string
	out    string // where the programs go
	env    []string
	dir    string
	own    string // see builtFrom
	log    hclog.Logger

	untrusted error // why nothing in out may be used
	unable    error // why nothing can be built
}

func newBuilder(dir string, log hclog.Logger) *builder {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	b := &builder{dir: dir, own: builtFrom(), log: log}
	cache, err := os.UserCacheDir()
	if err != nil {
		b.untrusted = fmt.Errorf("find a directory for what is built: %w; set XDG_CACHE_HOME", err)
		return b
	}
	cache = filepath.Join(cache, "socketserver")
	b.out = filepath.Join(cache, "plugins", fmt.Sprintf("%x", sha256.Sum256([]byte(dir)))[:16])
	// go renames what it has linked, if that is in the same file system.
	tmp := filepath.Join(b.out, ".tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		b.unable = fmt.Errorf("make a directory for what is built: %w", err)
	}
	if err := checkAround(b.out, b.out); err != nil && exists(b.out) {
		b.untrusted = fmt.Errorf("%w (programs are built there; XDG_CACHE_HOME sets the place)", err)
	}
	b.goTool = "/usr/local/go/bin/go"
	if path, err := exec.LookPath("go"); err == nil {
		b.goTool = path
	} else if !exists(b.goTool) {
		b.unable = errors.New("it is source and there is no go command to build it; put Go on the PATH, or a built program of that name in its place")
	}
	b.env = buildEnvironment(cache, tmp)
	return b
}

// buildEnvironment returns the environment of go: the places of its caches and modules, also as
// set by go env -w, and nothing of the user's that makes the program another one. A variable
// that is empty would not replace what go env -w has set.
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
	return append(env, "GOFLAGS=-trimpath", "GOWORK=off", "GOTOOLCHAIN=local", "GO111MODULE=on", "CGO_ENABLED=0",
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH, "GOTMPDIR="+tmp)
}

// prepare sets the program of f. Where nothing has changed since it was built before, a build
// that fails has met something else: a cache that cannot be written, the network, the disk, or
// there is no go command. The program that was built then is used.
func (b *builder) prepare(ctx context.Context, f *found) {
	if f.err = cmp.Or(b.untrusted, f.checkSource()); f.err != nil {
		return
	}
	f.Path = filepath.Join(b.out, f.name)
	if f.err = b.unable; f.err == nil {
		f.err = b.build(ctx, f)
	}
	if f.err != nil && ctx.Err() == nil && b.isCurrent(f) {
		b.log.Warn("cannot build: the program is used that was built from the same source", "plugin", f.name, "error", f.err)
		f.err = nil
	}
	if f.err == nil && f.Sum != "" {
		if f.err = f.checkSource(); f.err == nil { // it was not changed meanwhile
			f.Sum, f.err = sumOf(f.Path)
		}
	}
}

// isCurrent reports whether the program of f is newer than its source, its module and the source
// of socketserver.
func (b *builder) isCurrent(f *found) bool {
	program, err := os.Stat(f.Path)
	if err != nil {
		return false
	}
	tree, _ := b.sourceTree()
	for _, dir := range []string{f.from, moduleRoot(f.from), tree} {
		if dir == "" {
			continue
		}
		err = errors.Join(err, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() && path != dir && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil && info.ModTime().After(program.ModTime()) {
				err = errChanged
			}
			return err
		}))
	}
	return err == nil
}

var errChanged = errors.New("changed")

func (b *builder) build(ctx context.Context, f *found) error {
	args, env, root := []string{"build", "-buildvcs=false", "-o", f.Path}, b.env, moduleRoot(f.from)
	switch root {
	case "":
		overlay, err := b.overlay(f)
		if err != nil {
			return err
		}
		args = append(args, "-overlay", overlay)
	case f.from: // its own module
		env = append(slices.Clip(env), "GOPROXY=off")
	}
	before, _ := os.Stat(f.Path)
	began := time.Now()
	slow := time.AfterFunc(time.Second, func() {
		b.log.Info("building (first time: up to a minute)", "plugin", f.name, "in", f.from)
	})
	defer slow.Stop()
	cmd := exec.CommandContext(ctx, b.goTool, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = f.from, env, time.Second
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return buildError(f.from, cmp.Or(root, f.from), string(output), err)
	}
	after, err := os.Stat(f.Path)
	if err != nil || after.Mode()&0o111 == 0 {
		_ = os.Remove(f.Path) // it is the archive of a package, and no program that was built before
		return fmt.Errorf("%s is no program: its package must be main", f.from)
	}
	if before == nil || !os.SameFile(before, after) {
		b.log.Info("built", "plugin", f.name, "from", f.from, "took", time.Since(began).Round(time.Millisecond).String())
	}
	return nil
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
		return "", homeless(f.from, f.name)
	}
	if err := checkAround(tree, tree); err != nil {
		return "", err
	}
	mod = moduleLine.ReplaceAllString(mod, "module plugin.local/"+f.name)
	mod += fmt.Sprintf("\nrequire %[1]s v0.0.0\n\nreplace %[1]s v0.0.0 => %[2]q\n", ownModule, tree)
	at := filepath.Join(b.out, ".module-"+f.name)
	replaced := map[string]string{
		filepath.Join(f.from, "go.mod"): at + ".mod",
		filepath.Join(f.from, "go.sum"): filepath.Join(tree, "go.sum"),
	}
	list, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	return at + ".json", errors.Join(os.WriteFile(at+".mod", []byte(mod), 0o600), os.WriteFile(at+".json", list, 0o600))
}

// CheckModule returns an error with what to do first if source for a plugin in dir is in no module, and could not
// be built without one.
func CheckModule(dir, name string) error {
	b := &builder{dir: dir, own: builtFrom()}
	if tree, _ := b.sourceTree(); tree != "" || moduleRoot(dir) != "" {
		return nil
	}
	return homeless(filepath.Join(dir, name), name)
}

func homeless(path, name string) error {
	return fmt.Errorf("%[1]s is in no Go module, and no source of socketserver is around it, around the current directory or where this program was built; "+
		"get the source, and run: cd %[1]s && go mod init %[2]s && go mod edit -replace %[3]s=DIRECTORY-OF-ITS-SOURCE && go mod tidy", path, name, ownModule)
}

// sourceTree returns the directory of socketserver's source around the plugins, around the current
// directory or where this program was built, and its go.mod.
func (b *builder) sourceTree() (string, string) {
	here, _ := os.Getwd()
	for _, dir := range []string{b.dir, here, b.own} {
		root := moduleRoot(dir)
		mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
		if root != "" && err == nil && strings.TrimPrefix(moduleLine.FindString(string(mod)), "module ") == ownModule {
			return root, string(mod)
		}
	}
	return "", ""
}

// builtFrom returns the directory of this file when this program was built, or "" where it is not known, as with
// -trimpath, or other users could put their source: who builds under /tmp may remove that, and then anybody can
// make it again.
func builtFrom() string {
	_, file, _, _ := runtime.Caller(0)
	if dir := filepath.Dir(file); filepath.IsAbs(dir) && belongsTo(dir, os.Geteuid()) {
		return dir
	}
	return ""
}

// belongsTo reports whether a directory and all that it lies in are a user's or root's. For root checkAround
// looks, and has a next step.
func belongsTo(dir string, uid int) bool {
	for uid != 0 {
		info, err := os.Lstat(dir)
		if err != nil {
			return false
		}
		if owner := int(info.Sys().(*syscall.Stat_t).Uid); owner != 0 && owner != uid {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
	return true
}
