// Package packaging has what installs and runs the daemon: systemd units, a deb and an rpm, a
// container image, Kubernetes and Nomad.
package packaging

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers"
)

// tool returns the path of a program, and skips the test where it is not installed.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

func run(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s\n%s", command, out)
	return string(out)
}

// units copies the units to a directory, with a program that every machine has.
func units(t *testing.T) (service, socket string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"socketserver.service", "socketserver.socket"} {
		src, err := os.ReadFile(filepath.Join("systemd", name))
		require.NoError(t, err)
		src = bytes.ReplaceAll(src, []byte("=/usr/bin/socketserver"), []byte("=/bin/true"))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), src, 0o600))
	}
	return filepath.Join(dir, "socketserver.service"), filepath.Join(dir, "socketserver.socket")
}

func TestUnitsAreValid(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	service, socket := units(t)
	require.Empty(t, run(t, exec.Command(analyze, "verify", "--man=no", service, socket)))
}

// TestExposureOfService wants a level below 1.5, which is 15 for the tool.
func TestExposureOfService(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	service, _ := units(t)
	out := run(t, exec.Command(analyze, "security", "--offline=true", "--no-pager", "--threshold=14", service))
	require.Regexp(t, `Overall exposure level for socketserver\.service: 1\.[0-4] OK`, out)
}

func TestSysusers(t *testing.T) {
	sysusers := tool(t, "systemd-sysusers")
	path, err := filepath.Abs("systemd/socketserver.sysusers")
	require.NoError(t, err)
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "etc"), 0o755))
	run(t, exec.Command(sysusers, "--root="+root, path))
	users, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	require.NoError(t, err)
	require.Contains(t, string(users), "socketserver:")
}

// catalog has the compiled-in handlers.
type catalog struct{}

func (catalog) Prepare(*config.Config) {}

func (catalog) Names(string) []string { return nil }

func (catalog) Class(s *config.Server) (*framework.HandlerClass, error) {
	h, ok := handlers.Lookup(s.Handler.Name)
	if !ok {
		return nil, fmt.Errorf("there is no handler %q", s.Handler.Name)
	}
	return h.Class(s.Handler.Options)
}

// longestDrain reads a configuration.
func longestDrain(t *testing.T, text string) (longest time.Duration) {
	t.Helper()
	c, err := config.Parse("servers.hcl", []byte(text), catalog{})
	require.NoError(t, err)
	for _, s := range c.Servers {
		longest = max(longest, s.Timeouts.Drain)
	}
	return longest
}

func TestShippedConfiguration(t *testing.T) {
	text, err := os.ReadFile("servers.hcl")
	require.NoError(t, err)
	longestDrain(t, string(text))
	formatted, err := config.Format("servers.hcl", text)
	require.NoError(t, err)
	require.Equal(t, string(formatted), string(text))
}

// TestKubernetes checks that there is time to drain, and the configuration.
func TestKubernetes(t *testing.T) {
	src, err := os.ReadFile("kubernetes.yaml")
	require.NoError(t, err)
	var drain, grace time.Duration
	for documents := yaml.NewDecoder(bytes.NewReader(src)); ; {
		var object struct {
			Kind string
			Data map[string]string
			Spec struct {
				Template struct {
					Spec struct {
						Grace      int `yaml:"terminationGracePeriodSeconds"`
						Containers []struct {
							Lifecycle struct {
								PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
							}
						}
					}
				}
			}
		}
		if documents.Decode(&object) != nil {
			break
		}
		switch object.Kind {
		case "ConfigMap":
			drain = longestDrain(t, object.Data["servers.hcl"])
		case "Deployment":
			pod := object.Spec.Template.Spec
			grace = time.Duration(pod.Grace-pod.Containers[0].Lifecycle.PreStop.Sleep.Seconds) * time.Second
		}
	}
	require.NotZero(t, drain)
	require.Greater(t, grace, drain)
}

// TestHAProxy: the balancer sends clients to the port of the page's server, and HAProxy takes the file.
func TestHAProxy(t *testing.T) {
	src, err := os.ReadFile("haproxy.cfg")
	require.NoError(t, err)
	page, err := os.ReadFile("../docs/machines.md")
	require.NoError(t, err)
	require.Len(t, regexp.MustCompile(`(?m)^    server \w+ 10\.0\.0\.\d:9000$`).FindAll(src, -1), 3)
	text := regexp.MustCompile("(?s)```hcl\n(.*?)```").FindSubmatch(page)
	require.Len(t, text, 2)
	require.Contains(t, string(text[1]), `transport "tcp" { address = ":9000" }`)
	require.Positive(t, longestDrain(t, string(text[1])))
	run(t, exec.Command(tool(t, "haproxy"), "-c", "-f", "haproxy.cfg"))
}

func TestNomad(t *testing.T) {
	src, err := os.ReadFile("socketserver.nomad.hcl")
	require.NoError(t, err)
	_, diagnostics := hclparse.NewParser().ParseHCL(src, "socketserver.nomad.hcl")
	require.False(t, diagnostics.HasErrors(), "%v", diagnostics)
	text := regexp.MustCompile(`(?s)<<-EOT\n(.*)\n\s*EOT\n`).FindSubmatch(src)
	require.Len(t, text, 2)
	kill := regexp.MustCompile(`kill_timeout = "(\w+)"`).FindSubmatch(src)
	require.Len(t, kill, 2)
	timeout, err := time.ParseDuration(string(kill[1]))
	require.NoError(t, err)
	require.Greater(t, timeout, longestDrain(t, string(text[1])))
}

// TestPackages builds both packages and installs the deb in a root of its own, where its
// configuration is checked and its programs run. It takes minutes: TEST_PACKAGES has to be set.
func TestPackages(t *testing.T) {
	if os.Getenv("TEST_PACKAGES") == "" {
		t.Skip("TEST_PACKAGES is not set")
	}
	tool(t, "nfpm")
	out := t.TempDir()
	run(t, exec.Command("./build.sh", out, "1.2.3"))
	packages, err := filepath.Glob(filepath.Join(out, "socketserver*1.2.3*"))
	require.NoError(t, err)
	require.Len(t, packages, 2, "%v", packages)

	t.Run("deb", func(t *testing.T) {
		dpkg := tool(t, "dpkg")
		if os.Getuid() != 0 {
			t.Skip("dpkg --root needs root")
		}
		deb, err := filepath.Glob(filepath.Join(out, "*.deb"))
		require.NoError(t, err)
		root := cleanRoot(t)
		said := run(t, exec.Command(dpkg, "--root="+root, "--install", deb[0]))
		require.Contains(t, said, "/etc/socketserver: 1 server, no errors")

		chroot := func(args ...string) string { return run(t, exec.Command("chroot", append([]string{root}, args...)...)) }
		require.Contains(t, chroot("/usr/bin/socketserver", "version"), "socketserver")
		for _, path := range []string{
			"usr/bin/socketserver-worker", "usr/bin/socketserver-worker-tls", "usr/lib/systemd/system/socketserver.service", "usr/lib/sysusers.d/socketserver.conf",
			"usr/share/man/man1/socketserver.1.gz", "usr/share/man/man5/servers.hcl.5.gz", "usr/share/bash-completion/completions/socketserver",
		} {
			require.FileExists(t, filepath.Join(root, path))
		}
		conffiles := run(t, exec.Command("dpkg-query", "--admindir="+filepath.Join(root, "var/lib/dpkg"), "--show", "--showformat=${Conffiles}", "socketserver"))
		require.Contains(t, conffiles, "/etc/socketserver/servers.hcl")

		// A configuration that was changed stays, and one that is wrong is shown.
		own := filepath.Join(root, "etc/socketserver/servers.hcl")
		require.NoError(t, os.WriteFile(own, []byte("server \"x\" {}\n"), 0o644))
		said = run(t, exec.Command(dpkg, "--root="+root, "--install", deb[0]))
		require.Contains(t, said, "there is no transport")
		require.Contains(t, said, "mend /etc/socketserver")
		run(t, exec.Command(dpkg, "--root="+root, "--remove", "socketserver"))
		require.NoFileExists(t, filepath.Join(root, "usr/bin/socketserver"))
		require.FileExists(t, own)
	})

	t.Run("rpm", func(t *testing.T) {
		rpm := tool(t, "rpm")
		found, err := filepath.Glob(filepath.Join(out, "*.rpm"))
		require.NoError(t, err)
		require.Contains(t, run(t, exec.Command(rpm, "--query", "--package", "--configfiles", found[0])), "/etc/socketserver/servers.hcl")
	})
}

// cleanRoot returns a root directory in which packages can be installed: a shell, and an empty
// database of dpkg.
func cleanRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"bin", "usr/bin", "etc", "tmp", "var/lib/dpkg/info", "var/lib/dpkg/updates"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	for _, name := range []string{"status", "available"} {
		require.NoError(t, os.WriteFile(filepath.Join(root, "var/lib/dpkg", name), nil, 0o644))
	}
	shell := tool(t, "sh")
	copyFile(t, shell, filepath.Join(root, "bin/sh"))
	for _, library := range regexp.MustCompile(`/\S+`).FindAllString(run(t, exec.Command("ldd", shell)), -1) {
		copyFile(t, library, filepath.Join(root, library))
	}
	return root
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
	require.NoError(t, os.WriteFile(to, data, 0o755))
}

// TestScripts has a shell read the scripts.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("scripts/*.sh")
	require.NoError(t, err)
	for _, path := range append(scripts, "build.sh") {
		run(t, exec.Command(tool(t, "sh"), "-n", path))
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.NotZero(t, info.Mode()&0o111, path)
	}
}

// TestContainerfile: the image has both programs, a user that is not root, and no shell.
func TestContainerfile(t *testing.T) {
	src, err := os.ReadFile("Containerfile")
	require.NoError(t, err)
	_, image, ok := strings.Cut(string(src), "FROM scratch\n")
	require.True(t, ok)
	require.NotContains(t, image, "RUN")
	require.Contains(t, image, "USER 65532")
	require.Contains(t, image, `ENTRYPOINT ["/usr/bin/socketserver"]`)
}
