package plugin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

const shout = `package main

import (
	"bufio"
	"io"
	"strings"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

func main() {
	plugin.Serve(framework.Func(func(rfile *bufio.Reader, wfile io.Writer) error {
		line, err := rfile.ReadString('\n')
		if err != nil {
			return err
		}
		_, err = io.WriteString(wfile, strings.ToUpper(line))
		return err
	}))
}
`

// tree is the source of this module.
func tree(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	require.NoError(t, err)
	return dir
}

// ownCache makes builds go to a directory of the test, and lets go keep its own.
func ownCache(t *testing.T) {
	t.Helper()
	out, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Skip("there is no go command")
	}
	t.Setenv("GOCACHE", strings.TrimSpace(string(out)))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), mode))
	require.NoError(t, os.Chmod(path, mode))
}

// works reports whether the program is a plugin that shouts.
func works(t *testing.T, name, path string) {
	t.Helper()
	j := frameworktest.NewLog()
	conf := settings(t, name, j)
	conf.Path = path
	s := serve(t, frameworktest.NewServer(t, "tcp", open(t, conf)), &framework.Threading{}, j)
	require.Equal(t, "HELLO", dial(t, s).ask(t, "hello"))
}

// wanted are plugins of those names, whose kinds are found out.
func wanted(names ...string) map[string]plugin.Definition {
	all := map[string]plugin.Definition{}
	for _, name := range names {
		all[name] = plugin.Definition{}
	}
	return all
}

func TestDroppingIn(t *testing.T) {
	ownCache(t)
	dir, j := t.TempDir(), frameworktest.NewLog()
	goMod, err := os.ReadFile(filepath.Join(tree(t), "go.mod"))
	require.NoError(t, err)
	goSum, err := os.ReadFile(filepath.Join(tree(t), "go.sum"))
	require.NoError(t, err)
	own := strings.Replace(string(goMod), "module github.com/go-socketserver/socketserver", "module example.org/own", 1) +
		"\nrequire github.com/go-socketserver/socketserver v0.0.0\nreplace github.com/go-socketserver/socketserver => " + tree(t) + "\n"

	write(t, dir+"/own/shouter.go", shout, 0o644)
	write(t, dir+"/own/go.mod", own, 0o644)
	write(t, dir+"/own/go.sum", string(goSum), 0o644)
	write(t, dir+"/without/main.go", shout, 0o644)
	write(t, dir+"/wrong/main.go", strings.Replace(shout, "strings.ToUpper(line)", "upper(line)", 1), 0o644)

	names := []string{"own", "without", "wrong"}
	paths, errs := plugin.Prepare(context.Background(), dir, wanted(names...), j.Logger())
	require.Len(t, errs, 1)
	require.EqualError(t, errs["wrong"], `plugin "wrong": it does not build: `+dir+`/wrong/main.go:6:2: "strings" imported and not used; `+dir+`/wrong/main.go:18:34: undefined: upper`)
	require.Contains(t, j.String(), "[INFO]  built: plugin=own")
	require.Contains(t, j.String(), "[INFO]  built: plugin=without")
	works(t, "own", paths["own"].Path)
	works(t, "without", paths["without"].Path)

	// What was built is used as it is where it lies under a name.
	program, err := os.ReadFile(paths["own"].Path)
	require.NoError(t, err)
	write(t, dir+"/program", string(program), 0o755)
	write(t, dir+"/script", "#!/bin/sh\nexec "+paths["own"].Path+" # SOCKETSERVER_PLUGIN\n", 0o755)
	again := frameworktest.NewLog()
	paths, errs = plugin.Prepare(context.Background(), dir, wanted("own", "without", "program", "script"), again.Logger())
	require.Empty(t, errs)
	require.NotContains(t, again.String(), "built:", "nothing was to be built")
	works(t, "program", paths["program"].Path)
	works(t, "script", paths["script"].Path)
	require.Equal(t, []string{"own", "program", "script", "without", "wrong"}, plugin.Names(dir))

	// Without go what was built from the same source is used.
	t.Setenv("PATH", "")
	paths, errs = plugin.Prepare(context.Background(), dir, wanted(names...), again.Logger())
	if exists("/usr/local/go/bin/go") {
		require.NotEmpty(t, paths)
		return
	}
	require.Contains(t, again.String(), "the program is used that was built from the same source")
	works(t, "own", paths["own"].Path)
	require.ErrorContains(t, errs["wrong"], "there is no go command to build it")
}

// The plugins that are shipped lie in this module and are built by one command.
func TestDroppingIntoThisModule(t *testing.T) {
	if os.Getenv("SOCKETSERVER_LONG_TESTS") == "" {
		t.Skip("builds what the command's tests build, too; set SOCKETSERVER_LONG_TESTS")
	}
	ownCache(t)
	dir := filepath.Join(tree(t), "plugins")
	j := frameworktest.NewLog()
	names := plugin.Names(dir)
	require.Subset(t, names, []string{"shout"})
	paths, errs := plugin.Prepare(context.Background(), dir, wanted(names...), j.Logger())
	require.Empty(t, errs)
	require.Len(t, paths, len(names))
	works(t, "shout", paths["shout"].Path)
}

// What the user has set by go env -w counts as far as it says where modules are, and
// does not make the build another one.
func TestSettingsOfGo(t *testing.T) {
	ownCache(t)
	modules, err := exec.Command("go", "env", "GOMODCACHE").Output()
	require.NoError(t, err)
	dir, home := t.TempDir(), t.TempDir()
	write(t, dir+"/p/main.go", shout, 0o644)
	write(t, home+"/env", "GOFLAGS=-mod=vendor\nGOOS=plan9\nGOPROXY=off\nGOMODCACHE="+string(modules), 0o644)
	t.Setenv("GOENV", home+"/env")
	t.Setenv("HOME", home)
	t.Setenv("GOFLAGS", "")
	paths, errs := plugin.Prepare(context.Background(), dir, wanted("p"), frameworktest.NewLog().Logger())
	require.Empty(t, errs)
	works(t, "p", paths["p"].Path)
}

// Source in no module is built with the source that this program was built from.
func TestInNoModuleAndNoSourceTree(t *testing.T) {
	ownCache(t)
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, dir+"/alone/main.go", shout, 0o644)
	require.NoError(t, plugin.CheckModule(dir, "alone"))
	paths, errs := plugin.Prepare(context.Background(), dir, wanted("alone"), frameworktest.NewLog().Logger())
	require.Empty(t, errs)
	works(t, "alone", paths["alone"].Path)
}

// What a module of its own lacks is said with the next step, as go does, and without what it
// prints over several lines.
func TestIncompleteModule(t *testing.T) {
	const library = "package library\n"
	ownCache(t)
	dir := t.TempDir()
	const own = "github.com/go-socketserver/socketserver"
	write(t, dir+"/bare/main.go", shout, 0o644)
	write(t, dir+"/bare/go.mod", "module bare\n\ngo 1.26.0\n", 0o644)
	write(t, dir+"/untidy/main.go", shout, 0o644)
	write(t, dir+"/untidy/go.mod", "module untidy\n\ngo 1.26.0\n\nreplace "+own+" => "+tree(t)+"\n", 0o644)
	write(t, dir+"/mainless/main.go", "package main\n\nfunc Main() {}\n", 0o644)
	write(t, dir+"/mainless/go.mod", "module mainless\n\ngo 1.26.0\n", 0o644)
	write(t, dir+"/library/main.go", library, 0o644)
	write(t, dir+"/library/go.mod", "module library\n\ngo 1.26.0\n", 0o644)
	for name, want := range map[string]string{
		"library": "$ is no program: its package must be main",
		"bare": "it does not build: $/main.go:8:2: no required module provides package " + own + "/framework; $/main.go:9:2: no required module provides package " + own +
			"/framework/plugin; run: cd $ && go mod edit -replace " + own + "=DIRECTORY-OF-ITS-SOURCE && go mod tidy",
		"untidy": "it does not build: $/main.go:8:2: module " + own + " provides package " + own + "/framework and is replaced but not required; $/main.go:9:2: module " + own + " provides package " + own +
			"/framework/plugin and is replaced but not required; run: cd $ && go mod tidy",
		"mainless": "it does not build: $ has no function main; write func main() { plugin.Serve(...) }",
	} {
		_, errs := plugin.Prepare(context.Background(), dir, wanted(name), frameworktest.NewLog().Logger())
		require.EqualError(t, errs[name], `plugin "`+name+`": `+strings.ReplaceAll(want, "$", filepath.Join(dir, name)))
	}
}

// Each thing that is no plugin has its own line, and the others are not affected.
// Where modules cannot be fetched the error says why, and what to check.
func TestModulesThatCannotBeFetched(t *testing.T) {
	ownCache(t)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) }))
	defer broken.Close()
	for proxy, want := range map[string]string{
		"http://127.0.0.1:1":     "connection refused",
		"http://nowhere.invalid": "nowhere.invalid",
		broken.URL:               "502 Bad Gateway",
		"http://127.0.0.1:1,off": "connection refused",
	} {
		t.Run(want, func(t *testing.T) {
			t.Setenv("GOMODCACHE", t.TempDir())
			t.Setenv("GOPROXY", proxy)
			_, errs := plugin.Prepare(context.Background(), filepath.Join(tree(t), "plugins"), wanted("shout"), frameworktest.NewLog().Logger())
			require.ErrorContains(t, errs["shout"], want)
			require.ErrorContains(t, errs["shout"], "; check the network and go env GOPROXY, then run: cd "+tree(t)+" && go mod download")
			require.NotContains(t, errs["shout"].Error(), "downloading")
			require.NotContains(t, errs["shout"].Error(), "\n")
		})
	}
}

// What has not changed since it was built needs neither a cache that can be written nor modules.
func TestUnchangedPluginNeedsNoBuild(t *testing.T) {
	ownCache(t)
	dir := t.TempDir()
	write(t, dir+"/p/main.go", shout, 0o644)
	prepare := func() (string, error) {
		paths, errs := plugin.Prepare(context.Background(), dir, wanted("p"), frameworktest.NewLog().Logger())
		return paths["p"].Path, errs["p"]
	}
	built, err := prepare()
	require.NoError(t, err)
	for name, spoil := range map[string]func(t *testing.T){
		"no cache of builds":  func(t *testing.T) { t.Setenv("GOCACHE", "/proc/none") },
		"no cache of modules": func(t *testing.T) { t.Setenv("GOMODCACHE", t.TempDir()); t.Setenv("GOPROXY", "http://127.0.0.1:1") },
		"no temporary files": func(t *testing.T) {
			tmp := filepath.Join(filepath.Dir(built), ".tmp")
			require.NoError(t, os.RemoveAll(tmp))
			write(t, tmp, "", 0o600)
			t.Cleanup(func() { os.Remove(tmp) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			spoil(t)
			path, err := prepare()
			require.NoError(t, err)
			require.Equal(t, built, path)
			works(t, "p", path)
			later := time.Now().Add(time.Hour)
			require.NoError(t, os.Chtimes(dir+"/p/main.go", later, later))
			_, err = prepare()
			require.Error(t, err)
			now := time.Now().Add(-time.Hour)
			require.NoError(t, os.Chtimes(dir+"/p/main.go", now, now))
			require.NoError(t, os.Chtimes(dir+"/p", now, now))
		})
	}
}

func TestCommandsOfErrorsCanBeTyped(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's mine; $HOME")
	write(t, dir+"/plain", "#!/bin/sh\n", 0o644)
	write(t, dir+"/carriage.sh", "#!/bin/sh\r\n", 0o755)
	write(t, dir+"/loose.go", shout, 0o644)
	_, errs := plugin.Prepare(context.Background(), dir, wanted("plain", "carriage.sh", "loose"), frameworktest.NewLog().Logger())
	require.Len(t, errs, 3)
	for _, err := range errs {
		_, command, found := strings.Cut(err.Error(), "; if it is a program, run: ")
		if !found {
			_, command, found = strings.Cut(err.Error(), "; run: ")
		}
		require.True(t, found, err)
		printed, err := exec.Command("/bin/sh", "-c", command).CombinedOutput()
		require.NoError(t, err, "%s: %s", command, printed)
	}
	_, errs = plugin.Prepare(context.Background(), dir, wanted("plain", "carriage.sh"), frameworktest.NewLog().Logger())
	require.Empty(t, errs)
	require.FileExists(t, dir+"/loose/main.go")
}

func TestWhatIsNoPlugin(t *testing.T) {
	dir := t.TempDir()
	outside := t.TempDir()
	write(t, dir+"/loose.go", shout, 0o644)
	write(t, dir+"/plain", "text", 0o644)
	write(t, dir+"/binary", "\x7fELF\x02\x01\x01"+strings.Repeat(" of another system", 4), 0o755)
	write(t, dir+"/script", "#!/nonexistent/python\n", 0o755)
	write(t, dir+"/empty/README", "", 0o644)
	write(t, outside+"/program", "#!/bin/sh\n", 0o755)
	require.NoError(t, os.Symlink("nowhere", dir+"/dangling"))
	require.NoError(t, os.Symlink(outside+"/program", dir+"/escape"))
	require.NoError(t, syscall.Mkfifo(dir+"/fifo", 0o755))
	write(t, dir+"/good", "#!/bin/sh\n", 0o755)

	wants := map[string]string{
		"loose":    dir + "/loose.go is a Go file of its own, and a plugin is a directory; run: mkdir " + dir + "/loose && mv " + dir + "/loose.go " + dir + "/loose/main.go",
		"loose.go": "is a Go file of its own",
		"plain":    dir + "/plain is not executable; if it is a program, run: chmod +x " + dir + "/plain",
		"script":   dir + "/script is a script for /nonexistent/python, which is not installed",
		"empty":    dir + "/empty has no main.go; put the plugin's main there",
		"dangling": dir + "/dangling is a symbolic link to nowhere, which does not exist; correct or remove it",
		"escape":   dir + "/escape is a symbolic link to " + outside + "/program, out of the directory of plugins; put the program itself there",
		"fifo":     dir + "/fifo is a named pipe; a plugin is a program or a directory with its source",
		"none":     "there is none in " + dir + "; there are binary, escape, good, script",
		"../x":     `"../x" is no name of a plugin`,
		"":         `"" is no name of a plugin`,
	}
	names := []string{"good", "binary"}
	for name := range wants {
		names = append(names, name)
	}
	paths, errs := plugin.Prepare(context.Background(), dir, wanted(names...), frameworktest.NewLog().Logger())
	require.Equal(t, dir+"/good", paths["good"].Path)
	require.Len(t, errs, len(wants))
	for name, want := range wants {
		require.ErrorContains(t, errs[name], want)
		require.NotContains(t, errs[name].Error(), "\n")
	}

	conf := settings(t, "binary", frameworktest.NewLog())
	conf.Path = paths["binary"].Path
	_, err := plugin.Open(context.Background(), conf)
	require.ErrorContains(t, err, `plugin "binary": it is no program for linux/`)
}

func TestNoDirectoryOfPlugins(t *testing.T) {
	_, errs := plugin.Prepare(context.Background(), "/nonexistent/plugins", wanted("x"), frameworktest.NewLog().Logger())
	require.EqualError(t, errs["x"], `plugin "x": there is no directory /nonexistent/plugins; create it and put the plugin there`)
}

// What other users can change is not run by a privileged user.
func TestPluginPermissions(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	const sticky = os.ModeSticky
	type owner struct{ uid, gid int }
	for _, c := range []struct {
		what              string
		source            bool
		file, dir, around os.FileMode // those around are 0755 where they are not given
		files, dirs, home owner
		says              string
	}{
		{what: "private", file: 0o755, dir: 0o755},
		{what: "others", file: 0o757, dir: 0o755, says: "/p has mode 0757, so that others can write it"},
		{what: "directory of others", file: 0o755, dir: 0o777, says: "/plugins has mode 0777, so that others can write it"},
		{what: "sticky directory", file: 0o755, dir: 0o777 | sticky, says: "/plugins has mode 0777, so that others can write it"},
		{what: "in a directory of others", file: 0o755, dir: 0o755, around: 0o777, says: "/around has mode 0777, so that others can write it"},
		{what: "in a sticky directory", file: 0o755, dir: 0o755, around: 0o777 | sticky},
		{what: "in another user's sticky directory", file: 0o755, dir: 0o755, around: 0o777 | sticky, home: owner{1, 0}, says: "/around belongs to user 1"},
		{what: "group", file: 0o775, dir: 0o755, files: owner{0, 1}, says: "/p has mode 0775, so that its group can write it"},
		{what: "the group of root", file: 0o775, dir: 0o775},
		{what: "another user's program", file: 0o755, dir: 0o755, files: owner{1, 1}, says: "/p belongs to user 1, who could change what a privileged user would run; run socketserver as that user (sudo -u '#1'), or in a copy that belongs to root: cp -r DIR/plugins /usr/local/lib/"},
		{what: "another user's directory", file: 0o755, dir: 0o755, dirs: owner{1, 1}, says: "/plugins belongs to user 1, who could change what a privileged user would run; run socketserver as that user (sudo -u '#1'), or in a copy that belongs to root: cp -r DIR/plugins /usr/local/lib/"},
		{what: "another user's home", file: 0o755, dir: 0o755, home: owner{1, 1}, says: "/around belongs to user 1, who could change what a privileged user would run; run socketserver as that user (sudo -u '#1'), or in a copy that belongs to root: cp -r DIR/plugins /usr/local/lib/"},
		{what: "source", source: true, file: 0o666, dir: 0o755, says: "/p/main.go has mode 0666, so that others can write it"},
		{what: "another user's source", source: true, file: 0o644, dir: 0o755, files: owner{1, 1}, says: "/p/main.go belongs to user 1"},
	} {
		t.Run(c.what, func(t *testing.T) {
			around := filepath.Join(t.TempDir(), "around")
			dir := filepath.Join(around, "plugins")
			file := dir + "/p"
			if c.source {
				file += "/main.go"
			}
			write(t, file, "#!/bin/sh\n", c.file)
			if c.around == 0 {
				c.around = 0o755
			}
			for path, is := range map[string]struct {
				owner owner
				mode  os.FileMode
			}{file: {c.files, c.file}, dir: {c.dirs, c.dir}, around: {c.home, c.around}} {
				require.NoError(t, os.Chown(path, is.owner.uid, is.owner.gid))
				require.NoError(t, os.Chmod(path, is.mode))
			}
			paths, errs := plugin.Prepare(context.Background(), dir, wanted("p"), frameworktest.NewLog().Logger())
			if c.says != "" {
				require.ErrorContains(t, errs["p"], strings.ReplaceAll(c.says, "DIR", around))
				return
			}
			require.NoError(t, errs["p"])
			require.Equal(t, file, paths["p"].Path)
		})
	}
}

// A path of a definition is followed at each start: another user must not lead it elsewhere meanwhile,
// nor the interpreter of a script.
func TestLinksOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	const nobody = 65534
	dir := t.TempDir()
	theirs, ours, tmp := dir+"/theirs", dir+"/ours", dir+"/tmp"
	write(t, ours+"/ok.sh", "#!/bin/sh\n", 0o755)
	write(t, ours+"/ok.py", "#!"+theirs+"/python3\nimport socketserver\n", 0o755)
	write(t, ours+"/env.sh", "#!/usr/bin/env "+theirs+"/python3\n", 0o755)
	require.NoError(t, os.Mkdir(theirs, 0o755))
	require.NoError(t, os.Mkdir(tmp, 0o755))
	require.NoError(t, os.Chmod(tmp, 0o777|os.ModeSticky))
	for link, target := range map[string]string{
		theirs + "/link": "../ours/ok.sh", theirs + "/ours": "../ours", theirs + "/python3": "/bin/sh",
		ours + "/indirect": "../theirs/link", ours + "/link": "ok.sh", ours + "/chained": "../tmp/x/link",
		tmp + "/link": "../ours/ok.sh", tmp + "/theirs": ours + "/ok.sh", tmp + "/x": ".",
		ours + "/to theirs": "../tmp/theirs",
	} {
		require.NoError(t, os.Symlink(target, link))
	}
	for _, path := range []string{theirs, tmp + "/theirs"} {
		require.NoError(t, os.Lchown(path, nobody, nobody))
	}
	owned := func(path string) string { return path + " belongs to user 65534" }
	for path, want := range map[string]string{
		theirs + "/link": owned(theirs), theirs + "/ours/ok.sh": owned(theirs), ours + "/indirect": owned(theirs),
		ours + "/to theirs": owned(tmp + "/theirs"), tmp + "/link": tmp + " has mode 0777",
		ours + "/ok.py": owned(theirs), ours + "/env.sh": owned(theirs),
		ours + "/link": "", ours + "/ok.sh": "", ours + "/chained": "",
	} {
		ready, errs := plugin.Prepare(t.Context(), dir, map[string]plugin.Definition{"p": {Path: path}, "command": {Path: path, Command: path}}, frameworktest.NewLog().Logger())
		if want == "" {
			require.Empty(t, errs, path)
			require.Equal(t, path, ready["p"].Path)
			continue
		}
		require.ErrorContains(t, errs["p"], want, path)
		require.ErrorContains(t, errs["command"], want, path)
	}
}

// A checkout that another user owns stays that user's.
func TestAnotherUsersCheckoutIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	write(t, dir+"/go.mod", "module x\n", 0o644)
	write(t, dir+"/plugins/p/main.go", shout, 0o644)
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, 1, 1))
	}))
	_, errs := plugin.Prepare(context.Background(), dir+"/plugins", wanted("p"), frameworktest.NewLog().Logger())
	require.ErrorContains(t, errs["p"], "/plugins/p belongs to user 1, who could change what a privileged user would run; run socketserver as that user (sudo -u '#1'), or in a copy that belongs to root: cp -r "+dir+" /usr/local/lib/")
	require.NotContains(t, errs["p"].Error(), "chown")
}

// What is built is not put where another user could replace it, and not made of his
// source tree.
func TestPluginsAreNotBuiltWhereOthersWrite(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	ownCache(t)
	dir, other := t.TempDir(), t.TempDir()
	write(t, dir+"/p/main.go", shout, 0o644)
	write(t, other+"/go.mod", "module github.com/go-socketserver/socketserver\n", 0o644)
	require.NoError(t, os.Chown(other, 1, 1))
	t.Chdir(other)
	_, errs := plugin.Prepare(context.Background(), dir, wanted("p"), frameworktest.NewLog().Logger())
	require.ErrorContains(t, errs["p"], other+" belongs to user 1")

	t.Setenv("XDG_CACHE_HOME", other)
	_, errs = plugin.Prepare(context.Background(), dir, wanted("p"), frameworktest.NewLog().Logger())
	require.ErrorContains(t, errs["p"], other+" belongs to user 1")
	require.ErrorContains(t, errs["p"], "XDG_CACHE_HOME sets the place")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
