package importer

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers"
)

var update = flag.Bool("update", false, "write what is imported to testdata")

// catalog has the compiled-in handlers, and looks at no plugin.
type catalog struct{}

func (catalog) Prepare(*config.Config) {}

func (catalog) Names(string) []string { return nil }

func (catalog) Class(s *config.Server) (*framework.HandlerClass, error) {
	h, ok := handlers.Lookup(s.Handler.Name)
	if !ok {
		return nil, nil
	}
	return h.Class(s.Handler.Options)
}

func TestMain(m *testing.M) {
	wrappers.deny, wrappers.allow = "/no/hosts.deny", "/no/hosts.allow" // not those of this machine
	os.Exit(m.Run())
}

// check is that of the command, for root: nobody else may serve as the users of the sources.
func check(src string) error {
	_, err := config.Parse("servers.hcl", []byte(src), catalog{})
	var list *config.Errors
	if os.Geteuid() != 0 && errors.As(err, &list) {
		list.List = slices.DeleteFunc(list.List, func(e config.Error) bool { return strings.Contains(e.Message, "only root can ") })
		if len(list.List) == 0 {
			return nil
		}
	}
	return err
}

// TestImport imports the files of each archive in testdata. Its comment has the arguments, and
// its last file is the result.
func TestImport(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, archives)
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			path, err := filepath.Abs(path)
			require.NoError(t, err)
			a, err := txtar.ParseFile(path)
			require.NoError(t, err)
			t.Chdir(t.TempDir())
			require.NoError(t, txtar.Write(a, "."))
			got, err := Import("", strings.Fields(string(a.Comment)), check)
			require.NoError(t, err)
			want := &a.Files[len(a.Files)-1]
			require.Equal(t, "servers.hcl", want.Name)
			if *update {
				want.Data = []byte(got)
				require.NoError(t, os.WriteFile(path, txtar.Format(a), 0o644))
			}
			require.Empty(t, string(diff.Diff("want", want.Data, "got", []byte(got))))
			requireValid(t, got)
		})
	}
}

// What is checked grows with the number of services, not with its square, also where two share a port.
func TestWorkGrowsWithServices(t *testing.T) {
	checked := func(services int) (size int) {
		var lines strings.Builder
		for i := range services {
			fmt.Fprintf(&lines, "127.0.0.%d:%d stream tcp nowait nobody /bin/cat cat\n", 1+i%2, 10000+i/2)
		}
		at := filepath.Join(t.TempDir(), "inetd.conf")
		require.NoError(t, os.WriteFile(at, []byte(lines.String()), 0o600))
		_, err := Import("", []string{at}, func(src string) error {
			size += len(src)
			return nil
		})
		require.NoError(t, err)
		return size
	}
	require.Less(t, checked(1500), 11*checked(150))
}

// importInetd imports lines of inetd.conf.
func importInetd(t *testing.T, lines string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "inetd.conf")
	require.NoError(t, os.WriteFile(at, []byte(lines), 0o600))
	return importPaths(t, at)
}

// Words are quoted where all inetds agree that have quotes.
func TestQuotesOfInetd(t *testing.T) {
	const begin = "7001 stream tcp nowait nobody /bin/sh sh "
	for arguments, want := range map[string]string{
		`-c "echo  a 'b'" 'c "d'`: `"-c", "echo  a 'b'", "c \"d"`,
		`-c "" ''`:                `"-c", "", ""`,
		`-c a\b\ c`:               `"-c", "a\\b\\", "c"`,
		"-c\t\"a\tb\"":            `"-c", "a\tb"`,
		"-c\n\t'a b'":             `"-c", "a b"`,
		"a\u00a0b":                `"a\u00a0b"`,
		`${x} %{y}`:               `"$${x}", "%%{y}"`,
	} {
		got := importInetd(t, begin+arguments+"\n")
		require.Contains(t, got, "\n  command = [\"/bin/sh\", "+want+"]\n", arguments)
		require.Equal(t, strings.ContainsAny(arguments, `"'`), strings.Contains(got, "\n# Different: the inetds of OpenBSD and busybox take the quotes for parts of words\n#     7001 "), arguments)
	}
	for _, arguments := range []string{`-c "a`, `-c a"b c"`, `-c "a"b`, `-m don't`, `-c "a\" b"`, `'a' "b""c"`} {
		got := importInetd(t, begin+arguments+"\n")
		require.Contains(t, got, "\n# Disabled: every inetd reads these quotes in another way; write the command as it is meant\n", arguments)
	}
	require.Contains(t, importInetd(t, begin+"-c a #b\n"), "\n# Different: busybox takes what follows # for a comment\n")
}

// The newer form of NetBSD has its own quotes, with escapes, and everything between them is a value.
func TestQuotesOfNetBSD(t *testing.T) {
	const begin = "7001 on protocol = tcp, wait = no, user = nobody, exec = /bin/sh, args = "
	for arguments, want := range map[string]string{
		`sh -c "a, b; c = 'd' # e" x"y z"'\''`: `"-c", "a, b; c = 'd' # e", "xy z'"`,
		`sh "\x41\t\\"`:                        `"A\t\\"`,
		"sh a # b, c;\n\n d":                   `"a", "d"`,
	} {
		got := importInetd(t, begin+arguments+";\n7002 stream tcp nowait nobody /bin/cat cat\n")
		require.Contains(t, got, "\n  command = [\"/bin/sh\", "+want+"]\n", arguments)
		require.Contains(t, got, "\nserver \"7002\"")
	}
	for _, arguments := range []string{`sh "a;`, `sh 'a\q';`, `sh "\xg1";`, "sh \"a\nb\";", `sh`} {
		got := importInetd(t, "7002 stream tcp nowait nobody /bin/cat cat\n"+begin+arguments+"\n7003 stream tcp nowait nobody /bin/cat cat\n")
		require.Equal(t, 1, strings.Count(got, "\nserver "), arguments)
		require.Contains(t, got, "inetd.conf:2: not carried over, as it is no service of NetBSD's inetd, which stops there: 7001 on", arguments)
	}
	require.Contains(t, importInetd(t, begin+"sh; 7002 on protocol = tcp;\n"), "inetd.conf:1: not carried over, as it stands behind a service; write it on a line of its own: 7002 on")
}

// What restricts clients or the program in inetd.conf and has no counterpart, or cannot be read, disables the server.
func TestRestrictionsOfInetd(t *testing.T) {
	const service = " stream tcp nowait nobody /bin/cat cat\n"
	for line, why := range map[string]string{
		"7001 stream tcp nowait/x nobody /bin/cat cat":                                                   `"x" is not a number`,
		"7001 stream tcp nowait/3/x nobody /bin/cat cat":                                                 `"x" is not a number`,
		"7001 stream tcp nowait.3x nobody /bin/cat cat":                                                  `"3x" is not a number`,
		"7001 stream tcp nowait/-1 nobody /bin/cat cat":                                                  `"-1" is not a number`,
		"#@ in ipsec esp/transport//require\n7001" + service:                                             "clients without IPsec reach it there",
		"example.net:7001" + service:                                                                     `it listens at one address of "example.net" there, and would at all of them`,
		"example.net:\n7001" + service:                                                                   `it listens at one address of "example.net" there, and would at all of them`,
		":root:wheel:0600:/run/x stream local nowait nobody /bin/cat cat":                                `transport "unix": owner is not available yet`,
		"/run/x seqpacket unix nowait nobody /bin/cat cat":                                               `"unixpacket" cannot serve a program on standard input`,
		"7001 stream tcp nowait nobody /bin/cat cat\n 7002" + service:                                    "a line that begins with a blank is the end of the one before it, or one of its own",
		"7001 on protocol = tcp, wait = no, user = nobody, exec = /bin/cat, ipsec = in;":                 "ipsec has no counterpart",
		"7001 on protocol = tcp, wait = no, user = nobody, exec = /bin/cat, unknown = 1;":                "unknown has no counterpart",
		"7001 on protocol = tcp, wait = no, exec = /bin/cat;":                                            "it has no user",
		"7001 on protocol = tcp, user = nobody, exec = /bin/cat;":                                        wantsSocket,
		"7001 on protocol = tcp, wait = no, user = nobody, exec = /bin/cat, bind = 127.0.0.1 127.0.0.2;": "bind has one value",
		"7001 on protocol = tcp, wait = no, user = nobody, exec = /bin/cat, ip_max = three;":             `"three" is not a number`,
	} {
		got := importInetd(t, line+"\n")
		require.NotContains(t, got, "\nserver ", line)
		require.Contains(t, got, "\n# Disabled: "+why, line)
	}
	for _, line := range []string{"7001 stream tcp nowait:3 nobody /bin/cat cat\n", "#@ in ipsec x\n#@\n7001" + service, "localhost:7001" + service} {
		require.Contains(t, importInetd(t, line), "\nserver ", line)
	}
	require.Contains(t, importInetd(t, ":::0600:/run/x stream local nowait nobody /bin/cat cat\n"), `mode    = "0600"`)
}

// What systemd refuses, or starts with other commands than one, is not served.
func TestUnitsThatSystemdRefuses(t *testing.T) {
	imported := func(socket, service string) string {
		return importUnits(t, echoSocket+socket, map[string]string{"lib/a-b@.service": echoService + service})
	}
	for _, refused := range [][2]string{
		{"", "ExecStart=/bin/ls\n"},
		{"", "ExecStart=/bin/ls\nType=oneshot\n"},
		{"", "ExecStart=\nExecStart=/bin/ls ; /bin/cat\nType=oneshot\n"},
		{"", "ExecStart=\n"},
		{"", "ExecStart=\nExecStart=/bin/cat a\"b c\"\n"},
		{"", "User=%i\n"},
		{"", "Environment=A=%i\n"},
		{"", "Environment='A=1\n"},
		{"", "[Service] # more\n"},
		{"MaxConnections=0\n", ""},
		{"MaxConnections=many\n", ""},
		{"ListenDatagram=7777\n", ""},
		{"ListenFIFO=/run/x\n", ""},
		{"ListenStream=0\n", ""},
		{"ListenStream=vsock:x:1\n", ""},
		{"ListenStream=vsock:3\n", ""},
		{"ListenDatagram=vsock::1\n", ""},
		{"ListenSequentialPacket=vsock::1\n", ""},
		{"ListenSequentialPacket=/run/x\n", ""},
		{"Service=a-b@.service\n", ""},
		{"PrivateNetwork=yes\n", ""},
		{"MaxConnections=3 \\\n\n[Socket\n", ""},
	} {
		require.NotContains(t, imported(refused[0], refused[1]), "\nserver ", refused)
	}
	for _, started := range [][2]string{
		{"", "ExecStart=\nExecStart=/bin/ls\n"},
		{"", "ExecStart=\nExecStart=/bin/ls \\; x\n"},
		{"", "PrivateNetwork=yes\nDynamicUser=false\n"},
		{"PrivateNetwork=no\n", ""},
		{"ListenDatagram=7777\nListenFIFO=/run/x\nListenStream=\nListenStream=7777\n", ""},
	} {
		require.Contains(t, imported(started[0], started[1]), "\nserver ", started)
	}
	got := imported("", "ExecStart=/bin/ls\n")
	require.Contains(t, got, "\n# Not carried over: "+severalCommands+"\n#     ExecStart=/bin/cat (a-b@.service:2)\n#     ExecStart=/bin/ls (a-b@.service:4)\n")
}

// A line goes on after one backslash at its very end; one without = is none.
func TestLinesOfUnits(t *testing.T) {
	for socket, want := range map[string]string{
		"IPAddressDeny=192.0.2.1\nIPAddressDeny\n":                    "deny = [",
		"FileDescriptorName=a \\ \nIPAddressDeny=192.0.2.1\n":         "deny = [",
		"FileDescriptorName=a \\\\\nIPAddressDeny=192.0.2.1\n":        "deny = [",
		"IPAddressDeny=\\\n# IPAddressDeny=\n ; x\n\t192.0.2.1\n":     "deny = [",
		"FileDescriptorName=a \\\nIPAddressDeny=192.0.2.1\n":          "",
		"IPAddressDeny=192.0.2.1\nIPAddressDeny=\\\n\n":               "",
		"ListenStream=\nListenStream=127.0.0.1:7777\nIPAddressDeny\n": "127.0.0.1:7777",
	} {
		got := importUnits(t, echoSocket+socket, map[string]string{"lib/a-b@.service": echoService})
		require.Contains(t, got, "\nserver ", socket)
		require.Contains(t, got, want, socket)
		if want == "" {
			require.NotContains(t, got, "deny = [", socket)
		}
	}
}

// Addresses of VSOCK are served, and the backlog is that of all sockets of connections.
func TestSocketsOfSystemd(t *testing.T) {
	got := importUnits(t, "[Socket]\nListenStream=vsock::22\nListenStream=vsock:4294967295:23\nListenStream=vsock:3:24\nListenStream=7777\nListenStream=/run/x\nBacklog=7\nAccept=yes\n",
		map[string]string{"lib/a-b@.service": echoService})
	require.Contains(t, got, "\nserver ")
	for _, address := range []string{"any:22", "any:23", "3:24", ":7777", "/run/x"} {
		require.Contains(t, got, fmt.Sprintf("address            = %q\n", address))
	}
	require.Equal(t, 5, strings.Count(got, "    request_queue_size = 7\n"))
	for backlog, want := range map[string]string{"0": "request_queue_size = 1", "4294967295": "request_queue_size = 65535", "x": "Not carried over: it is not a number"} {
		got := importUnits(t, echoSocket+"Backlog="+backlog+"\n", map[string]string{"lib/a-b@.service": echoService})
		require.Contains(t, got, "\nserver ")
		require.Contains(t, got, want)
		require.Contains(t, got, "#     Backlog="+backlog+" (a-b.socket:4)\n")
	}
}

// Where both units deny addresses a client has to be let in by both.
func TestAddressesOfBothUnits(t *testing.T) {
	const allow, other, deny = "IPAddressAllow=192.0.2.0/24\n", "IPAddressAllow=198.51.100.0/24\n", "IPAddressDeny=any\n"
	for units, want := range map[[2]string]string{
		{allow + deny, ""}:           `access { allow = ["192.0.2.0/24"] }`,
		{"", allow + deny}:           `access { allow = ["192.0.2.0/24"] }`,
		{other, allow + deny}:        `access { allow = ["192.0.2.0/24"] }`,
		{allow + deny, other}:        `access { allow = ["192.0.2.0/24"] }`,
		{allow + deny, allow + deny}: `access { allow = ["192.0.2.0/24"] }`,
		{allow + deny, other + deny}: "",
		{deny, allow + deny}:         "",
	} {
		got := importUnits(t, echoSocket+units[0], map[string]string{"lib/a-b@.service": echoService + units[1]})
		require.Equal(t, want != "", strings.Contains(got, "\nserver "), units)
		require.Contains(t, got, want, units)
	}
}

// Of a directory of systemd those units are served that systemd starts. A unit that was named is.
func TestUnitsThatAreNotEnabled(t *testing.T) {
	root := unitTree(t, echoSocket, map[string]string{"lib/a-b@.service": echoService})
	lib := filepath.Join(root, "usr/lib/systemd/system")
	require.Contains(t, importPaths(t, lib), "\n# Disabled: systemd does not start it by itself, as no .wants directory has it\n")
	require.Contains(t, importPaths(t, filepath.Join(lib, "a-b.socket")), "\nserver ")
	wants := filepath.Join(root, "etc/systemd/system/sockets.target.wants")
	require.NoError(t, os.MkdirAll(wants, 0o700))
	require.NoError(t, os.Symlink("/usr/lib/systemd/system/a-b.socket", filepath.Join(wants, "a-b.socket")))
	require.Contains(t, importPaths(t, lib), "\nserver ")
}

// A link to a directory is none to follow, but for those of drop-ins.
func TestLinksToDirectories(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.socket"), []byte(echoSocket), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a@.service"), []byte(echoService), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "other"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other", "x.conf"), []byte("[Socket]\nIPAddressDeny=192.0.2.1\n"), 0o600))
	for name, to := range map[string]string{
		"1": ".", "2": ".", "3": "..", "a.socket.d": "other", "other/1.conf": ".", "other/2.conf": "..", "other/service.d": ".",
	} {
		require.NoError(t, os.Symlink(to, filepath.Join(dir, name)))
	}
	require.Contains(t, importPaths(t, dir), `access { deny = ["192.0.2.1"] }`)
}

// Variables and specifiers are replaced where systemd does that.
func TestVariablesOfSystemd(t *testing.T) {
	got := importUnits(t, echoSocket, map[string]string{"lib/a-b@.service": echoService +
		"Environment='A=one two' B=%p C=$A\nExecStart=\nExecStart=/bin/cat $A ${A} x$A x${A} $$A ${B} $C\nUser=root\nUser=%%\nUser=root\n"})
	require.Contains(t, got, `command = ["/bin/cat", "one", "two", "one two", "x$A", "xone two", "$A", "a-b", "$A"]`)
	require.Contains(t, got, `B = "a-b"`)
	require.Contains(t, got, `user = "root"`)
}

// importXinetd imports a file of xinetd.
func importXinetd(t *testing.T, text string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "xinetd.conf")
	require.NoError(t, os.WriteFile(at, []byte(text), 0o600))
	return importPaths(t, at)
}

// xinetdService returns a service that xinetd starts, with other attributes.
func xinetdService(attributes string) string {
	return "service a\n{\n type = UNLISTED\n socket_type = stream\n port = 7777\n wait = no\n user = nobody\n server = /bin/cat\n" + attributes + "}\n"
}

// What xinetd does not start, or lets nobody in, is not served.
func TestServicesThatXinetdDoesNotStart(t *testing.T) {
	for _, attributes := range []string{
		"nonsense here\n", "only_from+=192.0.2.1\n", "{\n", "instances = many\n", "instances = 0\n", "instances = 1 2\n", "per_source = 0\n",
		"disable = true\n", "flags = NOSUCH\n", "flags = LABELED\n", "flags = REUSE # x\n", "env = A=1 # x\n", "env -= A\n", "log_on_failure += HOST # x\n",
		"umask = 1000\n", "rlimit_as = 3G\n", "rlimit_as = 3KK\n", "cps = x 1\n", "bind = ::1\nflags = IPv4\n", "bind = 127.0.0.1\nflags = IPv6\n",
		"bind = example.net\n", "only_from =\nonly_from += example.net\n",
	} {
		require.NotContains(t, importXinetd(t, xinetdService(attributes)), "\nserver \"a\"", attributes)
	}
	for _, change := range [][2]string{
		{"\n{", " {\n"},
		{"\n{", ""},
		{"\n}", "\n"},
		{" wait = no\n", ""},
		{" wait = no", " wait = perhaps"},
		{" user = nobody\n", ""},
		{"user = nobody", "user = nobody # x"},
		{" socket_type = stream\n", ""},
		{"port = 7777", "port = 7777 # x"},
		{"service", "stray\nservice"},
		{"service", "}\nservice"},
		{"service", "defaults\n{\n enabled = b\n}\nservice"},
		{"service", "defaults\n{\n enabled = a\n}\nservice"}, // its id is b
	} {
		text := strings.Replace(xinetdService(""), change[0], change[1], 1)
		if strings.Contains(text, "enabled = a\n") {
			text = strings.Replace(text, " port", " id = b\n port", 1)
		}
		require.NotContains(t, importXinetd(t, text), "\nserver ", change)
	}
	for _, attributes := range []string{
		"", "per_source = 2 # two\n", "cps = 0 10\n", "instances += 5\n", "flags = IPv4\nflags += IPv6\n", "rlimit_as = 3M\n", "rlimit_cpu = UNLIMITED\n", "groups = no\n",
		"bind = 127.0.0.1\ninterface = 127.0.0.2\n", "bind = localhost\n", "protocol = tcp\n",
	} {
		require.Contains(t, importXinetd(t, xinetdService(attributes)), "\nserver \"a\"", attributes)
	}
	require.Contains(t, importXinetd(t, "stray\nincludedir x\n}\n"+xinetdService("")), "\nserver \"a\"", "what is passed over ends with }")
	require.Contains(t, importXinetd(t, xinetdService("bind = 127.0.0.1\ninterface = 127.0.0.2\n")), `"127.0.0.1:7777"`)
	require.Contains(t, importXinetd(t, xinetdService("v6only = yes\n")), `"[::]:7777"`)
}

// Lists of the defaults grow, in one entry for each file, and = of a service replaces them.
func TestDefaultsOfXinetd(t *testing.T) {
	got := importXinetd(t, "defaults\n{\n no_access = 192.0.2.1\n no_access = 192.0.2.2\n user = root\n flags = IPv4\n}\n"+
		"defaults\n{\n no_access = 192.0.2.3\n instances = 3\n}\n"+xinetdService(""))
	require.Contains(t, got, `access { deny = ["192.0.2.1", "192.0.2.2"] }`)
	require.Contains(t, got, `address = ":7777"`)
	require.Contains(t, got, ":5: not carried over, as xinetd ignores it in defaults, too: user = root\n")
	require.Contains(t, got, ":8: not carried over, as xinetd passes over the second defaults of a file\n")
	require.NotContains(t, importXinetd(t, "defaults\n{\n user = nobody\n wait = no\n}\n"+strings.Replace(xinetdService(""), " user = nobody\n", "", 1)), "\nserver ")
	got = importXinetd(t, xinetdService("only_from += 192.0.2.1\n")+"defaults\n{\n only_from = 198.51.100.1\n}\n")
	require.Contains(t, got, `access { allow = ["192.0.2.1"] }`)

	dir := filepath.Join(t.TempDir(), "xinetd.d")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte(xinetdService("")), 0o600))
	require.Contains(t, importPaths(t, dir), "# There are no defaults of xinetd, which may restrict clients; name xinetd.conf, too.\n")
	require.Contains(t, importPaths(t, dir), "\nserver ")
	conf := strings.TrimSuffix(dir, ".d") + ".conf"
	require.NoError(t, os.WriteFile(conf, []byte("defaults\n{\n only_from = 192.0.2.1\n}\n"), 0o600))
	require.Contains(t, importPaths(t, filepath.Join(dir, "a")), "# Disabled: "+conf+" was not read, and may have defaults that restrict clients\n")
	require.Contains(t, importPaths(t, dir, conf), `access { allow = ["192.0.2.1"] }`)
}

// A list with addresses of one family lets in clients of that family alone, and ::/0 has those of IPv4, too.
func TestFamiliesOfXinetd(t *testing.T) {
	for attributes, want := range map[string]string{
		"only_from = 0.0.0.0/0\n":               `access { allow = ["0.0.0.0/0"] }`,
		"only_from = 0.0.0.0\nflags = IPv6\n":   `access { allow = ["0.0.0.0/0"] }`,
		"only_from = 0.0.0.0\nflags = IPv4\n":   "",
		"only_from = ::/0\n":                    "",
		"no_access = ::/0\n":                    `access { deny = ["::/0", "0.0.0.0/0"] }`,
		"bind = 127.0.0.1\nonly_from = 0.0.0.0": "",
	} {
		got := importXinetd(t, xinetdService(attributes+"\n"))
		require.Contains(t, got, "\nserver ", attributes)
		require.Contains(t, got, want, attributes)
		require.Equal(t, want != "", strings.Contains(got, "access {"), attributes)
	}
}

// A server is off where libwrap refuses clients of it.
func TestRulesOfLibwrap(t *testing.T) {
	before := wrappers
	t.Cleanup(func() { wrappers = before })
	dir := t.TempDir()
	wrappers.deny, wrappers.allow = filepath.Join(dir, "hosts.deny"), filepath.Join(dir, "hosts.allow")
	const line = "7001 stream tcp nowait nobody /bin/cat cat\n"
	for _, rules := range []struct {
		deny, allow, at string
	}{
		{"# ALL: ALL\n\n", "ALL: ALL\n# ALL: ALL: deny\n", ""},
		{"# none\nALL: ALL\n", "", wrappers.deny + ":2"},
		{"", "sshd: ALL\nALL: ALL: DENY\n", wrappers.allow + ":2"},
		{"sshd, in.telnetd : 192.0.2.1\nsmtpd: \\\n ALL\n", "vsftpd: ALL: deny\n", ""},
		{"sshd: ALL\nsmtpd, \\\n CAT: 192.0.2.1\n", "", wrappers.deny + ":2"},
		{"ALL EXCEPT sshd: 192.0.2.1\n", "", wrappers.deny + ":1"},
		{"sshd@192.0.2.9: 192.0.2.1\n", "", wrappers.deny + ":1"},
		{"c*: 192.0.2.1\n", "", wrappers.deny + ":1"},
	} {
		require.NoError(t, os.WriteFile(wrappers.deny, []byte(rules.deny), 0o600))
		require.NoError(t, os.WriteFile(wrappers.allow, []byte(rules.allow), 0o600))
		for _, got := range []string{importInetd(t, line), importXinetd(t, xinetdService(""))} {
			require.Equal(t, rules.at == "", strings.Contains(got, "\nserver "), rules)
			require.Contains(t, got, rules.at)
		}
		require.Contains(t, importXinetd(t, xinetdService("flags = NOLIBWRAP\n")), "\nserver ")
		require.Contains(t, importUnits(t, echoSocket, map[string]string{"lib/a-b@.service": echoService}), "\nserver ")
	}
	require.NoError(t, os.Remove(wrappers.deny))
	require.NoError(t, os.Mkdir(wrappers.deny, 0o700))
	require.Contains(t, importInetd(t, line), "# Disabled: "+wrappers.deny+" cannot be read, and may refuse clients\n")
	require.NoError(t, os.Remove(wrappers.deny))
	require.NoError(t, os.Remove(wrappers.allow))
	require.Contains(t, importInetd(t, line), "\nserver ")
}

// servers.hcl cannot have what is not UTF-8, nor letters that are not composed.
func TestTextThatCannotBeWritten(t *testing.T) {
	for _, bad := range []string{"\xff", "caf\xe9", "cafe\u0301"} {
		service := func(settings string) string {
			return importUnits(t, echoSocket, map[string]string{"lib/a-b@.service": echoService + settings})
		}
		for _, got := range []string{
			importInetd(t, "7001 stream tcp nowait nobody /bin/"+bad+" x\n"),
			importInetd(t, "7001 stream tcp nowait nobody /bin/cat cat "+bad+"\n"),
			importInetd(t, "/run/"+bad+" stream unix nowait nobody /bin/cat cat\n"),
			importInetd(t, "7001 stream tcp nowait "+bad+" /bin/cat cat\n"),
			importInetd(t, "7001 stream tcp nowait a:"+bad+" /bin/cat cat\n"),
			service("ExecStart=\nExecStart=/bin/cat " + bad + "\n"),
			service("Environment=A=" + bad + "\n"),
			service("Environment=" + bad + "=A\n"),
			service("User=" + bad + "\n"),
			importUnits(t, echoSocket+"ListenStream=/run/"+bad+"\n", map[string]string{"lib/a-b@.service": echoService}),
			importUnits(t, echoSocket+"ListenStream=/run/x\nSocketGroup="+bad+"\n", map[string]string{"lib/a-b@.service": echoService}),
		} {
			require.NotContains(t, got, "\nserver ", bad)
			require.Contains(t, got, "\n# Disabled: servers.hcl ", bad)
		}
		require.Contains(t, service("SyslogIdentifier="+bad+"\n"), "\nserver ", "it is not carried over anyway")
	}
	got := importUnits(t, echoSocket, map[string]string{"lib/a-b@.service": echoService + "ExecStart=\nExecStart=/bin/cat \"\\xff\" \"caf\u00e9\"\n"})
	require.Contains(t, got, `\# Disabled: servers.hcl is UTF-8, and "\xff" is not`[1:])
}

// Names that servers.hcl takes for one stay apart.
func TestNamesInOtherForms(t *testing.T) {
	service := func(name, port string) string {
		return strings.NewReplacer("service a", "service "+name, "7777", port).Replace(xinetdService(""))
	}
	got := importXinetd(t, service("\uac00", "7001")+service("\u1100\u1161", "7002"))
	require.Equal(t, 2, strings.Count(got, "\nserver "))
	require.NotContains(t, got, "Not valid")
}

// What is too long for one configuration says so.
func TestTooLongAsAWhole(t *testing.T) {
	at := filepath.Join(t.TempDir(), "inetd.conf")
	require.NoError(t, os.WriteFile(at, []byte("7001 stream tcp nowait nobody /bin/cat cat\n7002 stream tcp nowait nobody /bin/cat cat\n"), 0o600))
	got, err := Import("", []string{at}, func(src string) error {
		if strings.Contains(src, "7001") && strings.Contains(src, "7002") {
			return errors.New("it is too long")
		}
		return nil
	})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(got, preface+"# Not valid as a whole: it is too long\n"), got)
	require.Equal(t, 2, strings.Count(got, "\nserver "))
}

// Servers that share an address stay apart: the first has it.
func TestServersOfOneAddress(t *testing.T) {
	at := filepath.Join(t.TempDir(), "inetd.conf")
	require.NoError(t, os.WriteFile(at, []byte(`7001 stream tcp nowait nobody /bin/cat cat
7002 stream tcp nowait nobody /bin/cat cat
7002 stream tcp nowait nobody /bin/cat cat -u
127.0.0.1:7001 stream tcp nowait nobody /bin/cat cat -v
/run/a/x stream unix nowait nobody /bin/cat cat
/run//a/./x stream unix nowait nobody /bin/cat cat -u
/run/b/x stream unix nowait nobody /bin/cat cat -v
`), 0o600))
	got := importPaths(t, at)
	for _, want := range []string{
		"\n# Disabled: transport \"tcp\": 0.0.0.0:7002 is taken by tcp 0.0.0.0:7002 of server \"7002\"\n",
		"\n# Disabled: transport \"tcp\": 127.0.0.1:7001 is taken by tcp 0.0.0.0:7001 of server \"7001\"\n",
		"\n# Disabled: transport \"unix\": /run//a/./x is taken by unix /run/a/x of server \"x\"\n",
	} {
		require.Contains(t, got, want)
	}
	require.Equal(t, 4, strings.Count(got, "\nserver "))
}

// requireValid checks what holds for everything that is imported: it is valid, formatted, and
// a server that is commented out is configuration.
func requireValid(t *testing.T, hcl string) {
	t.Helper()
	err := check(hcl)
	if strings.Contains("\n"+hcl, "\nserver ") {
		require.NoError(t, err, hcl)
	} else {
		require.EqualError(t, err, `servers.hcl: there is no server; add one, as in server "echo" { ... }`, hcl)
	}
	formatted, err := config.Format("servers.hcl", []byte(hcl))
	require.NoError(t, err)
	require.Equal(t, string(formatted), hcl)
	enabled := disabled.ReplaceAllStringFunc(hcl, func(s string) string {
		return strings.TrimPrefix(strings.ReplaceAll(s, "\n# ", "\n"), "#\n")
	})
	_, err = config.Format("servers.hcl", []byte(enabled))
	require.NoError(t, err, enabled)
}

// disabled is a server that is commented out.
var disabled = regexp.MustCompile(`(?m)^#\n(# .*\n)+`)

// TestImportOfOtherFiles imports each file of the directory that IMPORT_FILES names.
func TestImportOfOtherFiles(t *testing.T) {
	dir := os.Getenv("IMPORT_FILES")
	if dir == "" {
		t.Skip("IMPORT_FILES names no directory")
	}
	all, err := Import("", []string{dir}, check)
	require.NoError(t, err)
	requireValid(t, all)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		t.Run(e.Name(), func(t *testing.T) {
			hcl, err := Import("", []string{filepath.Join(dir, e.Name())}, check)
			require.NoError(t, err)
			requireValid(t, hcl)
		})
	}
}

// TestBuiltinServicesOfInetd needs the numbers of their ports.
func TestBuiltinServicesOfInetd(t *testing.T) {
	if _, err := net.LookupPort("udp", "discard"); err != nil {
		t.Skip("/etc/services does not have discard")
	}
	at := filepath.Join(t.TempDir(), "inetd.conf")
	var lines strings.Builder
	for _, service := range []string{"echo", "discard", "daytime", "time", "chargen"} {
		fmt.Fprintf(&lines, "%s stream tcp nowait root internal\n%[1]s stream tcp6 nowait root internal\n%[1]s dgram udp wait root internal\n", service)
	}
	require.NoError(t, os.WriteFile(at, []byte(lines.String()), 0o600))
	hcl, err := Import("", []string{at}, check)
	require.NoError(t, err)
	requireValid(t, hcl)
	c, err := config.Parse("servers.hcl", []byte(hcl), catalog{})
	require.NoError(t, err)
	got := map[string][]string{}
	for _, s := range c.Servers {
		for _, l := range s.Transports {
			got[s.Handler.Name] = append(got[s.Handler.Name], l.Network+" "+l.Address)
		}
	}
	require.Equal(t, map[string][]string{
		"echo": {"tcp :7", "udp 0.0.0.0:7"}, "sink": {"tcp :9", "udp 0.0.0.0:9"}, "timestamp": {"udp 0.0.0.0:13"},
	}, got)
}

func TestPrefixes(t *testing.T) {
	for words, want := range map[string]string{
		"192.0.2.1":             "192.0.2.1",
		"192.0.2.0":             "192.0.2.0/24",
		"127.0.0.0 10":          "127.0.0.0/8 10.0.0.0/8",
		"0.0.0.0":               "0.0.0.0/0",
		"192.0.2.130/25":        "192.0.2.128/25",
		"192.0.2.{1,20,3}":      "192.0.2.1 192.0.2.20 192.0.2.3",
		"::1 2001:db8::/32":     "::1 2001:db8::/32",
		"192.0.2.1 example.net": `192.0.2.1 an access list has addresses only, and "example.net" is a name`,
		"192.0.{2,3}":           `an access list has addresses only, and "192.0.{2,3}" is a name`,
		"192.0.2.{0,1}":         `192.0.2.1 an access list has addresses only, and "192.0.2.{0,1}" is a name`,
	} {
		all, err := prefixes(strings.Fields(words))
		if err != nil {
			all = append(all, err.Error())
		}
		require.Equal(t, want, strings.Join(all, " "), words)
	}
}

func TestWordsOfACommandLine(t *testing.T) {
	for line, want := range map[string][]string{
		`/bin/a b  c`:              {"/bin/a", "b", "c"},
		`a "b c" 'd "e"' ""`:       {"a", "b c", `d "e"`, ""},
		`a b\x20c \t \s \u00e9 \"`: {"a", "b c", "\t", " ", "é", `"`},
		`a 'b\nc' \xff\101`:        {"a", "b\nc", "\xffA"},
	} {
		got, err := split(line)
		require.NoError(t, err)
		require.Equal(t, want, got, line)
	}
	for _, line := range []string{`a "b`, `x"y"`, `"x"y`} {
		_, err := split(line)
		require.Error(t, err, line)
	}
}

// FuzzImport: whatever a file has, what is imported is valid.
func FuzzImport(f *testing.F) {
	for _, text := range []string{
		"service a\n{\n type = INTERNAL\n socket_type = stream\n port = 7\n only_from += 10.0.0.{1,2} x\n}\n",
		"service \"${x}\" {\nserver = /bin/%{if}\nport = 1\nsocket_type = dgram\nenv = A=1\n}\n}\n",
		"7 stream tcp nowait.4/3/2 a.b:c/d internal\n#<off># 8 dgram udp wait root /a b\n*:\nx on bind = 1, exec = /a;\n",
		"/a/b stream unix nowait root /usr/sbin/tcpd x\n",
		"[Socket]\nListenStream=1\nListenDatagram=@x\nAccept=yes\nMaxConnections=3\n[Service]\nExecStart=-/a $B ${C} %i \\\n# c\n 'x\\q'\nStandardInput=socket\n",
		"service echo\r\n{\r\n\xff = \xfe\r\n}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		for _, name := range []string{"a.conf", "a.socket", "a@.service"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		for _, format := range append(Formats(), "") {
			hcl, err := Import(format, []string{dir}, check)
			require.NoError(t, err)
			requireValid(t, hcl)
		}
	})
}

// A server is off where what restricts its clients or its program there has no counterpart.
func TestRestrictionsOfSystemd(t *testing.T) {
	const socket, service = "[Socket]\nListenStream=7777\nAccept=yes\n", "[Service]\nExecStart=/bin/cat\nStandardInput=socket\nUser=nobody\n"
	imported := func(socket, service string) string {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a.socket"), []byte(socket), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a@.service"), []byte(service), 0o600))
		got, err := Import("", []string{dir}, check)
		require.NoError(t, err)
		requireValid(t, got)
		return got
	}
	require.Contains(t, imported(socket, service), "\nserver \"a\"")
	require.Contains(t, imported(socket+"BindToDevice=lo\nBindToDevice=\n", service), "\nserver \"a\"", "it is cleared")
	for _, restriction := range []string{"BindToDevice=lo", "SmackLabelIPIn=x", "IPIngressFilterPath=/x", "[Unit]\nConditionHost=x", "[Unit]\nAssertPathExists=/x"} {
		require.NotContains(t, imported(socket+restriction+"\n", service), "\nserver \"a\"", restriction)
	}
	for _, restriction := range []string{
		"RootDirectory=/x", "RootImage=/x", "ExecCondition=/x", "PAMName=x", "InaccessiblePaths=/x", "TemporaryFileSystem=/", "NetworkNamespacePath=/x", "AppArmorProfile=x",
		"[Unit]\nConditionUser=x",
	} {
		require.NotContains(t, imported(socket, service+restriction+"\n"), "\nserver \"a\"", restriction)
	}
}

// An entry of a directory that cannot be read, as a unit that is masked, is a comment.
func TestUnreadableEntries(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.socket"), []byte("[Socket]\nListenStream=7777\nAccept=yes\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a@.service"), []byte("[Service]\nExecStart=/bin/cat\nStandardInput=socket\n"), 0o600))
	require.NoError(t, os.Symlink("/dev/null", filepath.Join(dir, "masked.service")))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "dangling.socket")))
	got, err := Import("", []string{dir}, check)
	require.NoError(t, err)
	require.Contains(t, got, "\nserver \"a\"")
	require.Contains(t, got, "# Not carried over: "+filepath.Join(dir, "masked.service")+": it is not a regular file")
	require.Contains(t, got, "# Not carried over: "+filepath.Join(dir, "dangling.socket")+": there is no such file")
	_, err = Import("", []string{filepath.Join(dir, "dangling.socket")}, check)
	require.Error(t, err, "it was named")
}

// -= takes words from the list of the entry, or of the defaults, and says nothing about environments.
func TestRemovedFromLists(t *testing.T) {
	at := filepath.Join(t.TempDir(), "xinetd.conf")
	require.NoError(t, os.WriteFile(at, []byte(`defaults
{
	no_access = 192.0.2.1 192.0.2.2
}
service a
{
	type        = UNLISTED
	socket_type = stream
	port        = 7777
	wait        = no
	user        = nobody
	server      = /bin/cat
	only_from   = 198.51.100.1 198.51.100.2
	only_from  -= 198.51.100.2
	no_access  -= 192.0.2.2
}
`), 0o600))
	got, err := Import("", []string{at}, check)
	require.NoError(t, err)
	requireValid(t, got)
	require.Regexp(t, `allow = \["198.51.100.1"\]`, got)
	require.Regexp(t, `deny += \["192.0.2.1"\]`, got)
	require.NotContains(t, got, "environment of allowed names (")
	require.NotContains(t, got, "Different: programs get an environment")
}

// What restricts access adds to what another setting has put there.
func TestAccessRulesAddUp(t *testing.T) {
	at := filepath.Join(t.TempDir(), "xinetd.conf")
	const service = "service a\n{\n type = UNLISTED\n socket_type = stream\n port = 7777\n wait = no\n user = nobody\n server = /bin/cat\n%s}\n"
	for _, settings := range []string{" only_from =\n no_access = 192.0.2.1\n", " no_access = 192.0.2.1\n only_from =\n"} {
		for _, text := range []string{fmt.Sprintf(service, settings), "defaults\n{\n only_from =\n}\n" + fmt.Sprintf(service, " no_access = 192.0.2.1\n")} {
			require.NoError(t, os.WriteFile(at, []byte(text), 0o600))
			got, err := Import("", []string{at}, check)
			require.NoError(t, err)
			requireValid(t, got)
			for _, address := range []string{"0.0.0.0/0", "::/0", "192.0.2.1"} {
				require.Regexp(t, `deny = \[.*"`+address+`"`, got)
			}
		}
	}
}

// An allowed network is not everybody, as the other family is still denied.
func TestAllowedFamilyIsNotEverybody(t *testing.T) {
	got := importUnits(t, "[Socket]\nListenStream=7777\nAccept=yes\nIPAddressDeny=any\nIPAddressAllow=0.0.0.0/0\n", map[string]string{"lib/a-b@.service": echoService})
	require.Contains(t, got, `access { allow = ["0.0.0.0/0"] }`)
}

const (
	echoSocket  = "[Socket]\nListenStream=7777\nAccept=yes\n"
	echoService = "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n"
)

// importUnits imports a-b.socket of usr/lib/systemd/system in a [unitTree].
func importUnits(t *testing.T, socket string, others map[string]string) string {
	t.Helper()
	return importPaths(t, filepath.Join(unitTree(t, socket, others), "usr/lib/systemd/system/a-b.socket"))
}

func importPaths(t *testing.T, paths ...string) string {
	t.Helper()
	got, err := Import("", paths, check)
	require.NoError(t, err)
	requireValid(t, got)
	return got
}

// unitTree makes a tree with a-b.socket in usr/lib/systemd/system and other units and drop-ins, where etc and
// lib stand for the directories of the system.
func unitTree(t *testing.T, socket string, others map[string]string) string {
	t.Helper()
	root := t.TempDir()
	write := func(name, text string) {
		at := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o700))
		if text == "unreadable" { // by root, too
			require.NoError(t, os.Mkdir(at, 0o700))
			return
		}
		require.NoError(t, os.WriteFile(at, []byte(text), 0o600))
	}
	write("usr/lib/systemd/system/a-b.socket", socket)
	for name, text := range others {
		place, rest, _ := strings.Cut(name, "/")
		write(map[string]string{"etc": "etc", "lib": "usr/lib"}[place]+"/systemd/system/"+rest, text)
	}
	return root
}

// Drop-ins and services are looked for where systemd does.
func TestLoadPathOfUnits(t *testing.T) {
	service := map[string]string{"lib/a-b@.service": echoService}
	with := func(more ...string) map[string]string {
		all := map[string]string{"lib/a-b@.service": echoService}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	require.NotContains(t, importUnits(t, echoSocket, service), "access")
	const deny = "[Socket]\nIPAddressDeny=192.0.2.1\n"
	for _, directory := range []string{"lib/a-b.socket.d", "etc/a-b.socket.d", "etc/a-.socket.d", "etc/socket.d", "lib/socket.d"} {
		got := importUnits(t, echoSocket, with(directory+"/x.conf", deny))
		require.Contains(t, got, "\nserver \"a-b\"", directory)
		require.Contains(t, got, "access { deny = [\"192.0.2.1\"] }", directory)
	}
	for _, directory := range []string{"etc/a-b@.service.d", "etc/a-.service.d", "etc/a-@.service.d", "etc/service.d"} {
		require.Contains(t, importUnits(t, echoSocket, with(directory+"/x.conf", "[Service]\nRootDirectory=/x\n")), "\n# Disabled: there is no jail", directory)
	}
	require.Contains(t, importUnits(t, echoSocket, map[string]string{"lib/a-b@.service": echoService, "etc/a-b@.service": echoService + "RootDirectory=/x\n"}), "\n# Disabled: there is no jail")
	require.Contains(t, importUnits(t, echoSocket, with("etc/a-b.socket", echoSocket)), "etc/systemd/system/a-b.socket in place of ")
	got := importUnits(t, echoSocket, with("etc/a-b.socket.d/x.conf", "[Socket]\nIPAddressDeny=192.0.2.2\n", "lib/a-b.socket.d/x.conf", deny))
	require.Contains(t, got, "access { deny = [\"192.0.2.2\"] }", "the first directory counts")
	got = importUnits(t, echoSocket, with("etc/socket.d/x.conf", "[Socket]\nIPAddressDeny=192.0.2.2\n", "lib/a-b.socket.d/x.conf", deny))
	require.Contains(t, got, "access { deny = [\"192.0.2.1\"] }", "that of the type comes after")
}

// The units of a user have drop-ins in other directories than those of the system.
func TestLoadPathOfUsers(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("XDG_DATA_HOME", filepath.Join(home, "data"))
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(home, "run"))
	want := []string{
		home + "/.config/systemd/user.control", home + "/run/systemd/user.control", home + "/run/systemd/transient",
		home + "/run/systemd/generator.early", home + "/.config/systemd/user", "/etc/xdg/systemd/user", "/etc/systemd/user",
		home + "/run/systemd/user", "/run/systemd/user", home + "/run/systemd/generator", home + "/data/systemd/user",
		"/usr/local/share/systemd/user", "/usr/share/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user", "/lib/systemd/user",
		home + "/run/systemd/generator.late",
	}
	for _, directory := range want {
		require.Equal(t, want, loadPath(directory), directory)
	}
	other := t.TempDir()
	got := loadPath(other + "/.local/share/systemd/user")
	require.Equal(t, []string{other + "/.config/systemd/user.control", other + "/.config/systemd/user", "/etc/xdg/systemd/user"}, got[:3])
	require.NotContains(t, got, home+"/run/systemd/user", "it is another user's")
	require.Equal(t, "/copy/etc/xdg/systemd/user", loadPath("/copy/usr/lib/systemd/user")[0])

	write := func(name, text string) {
		at := filepath.Join(home, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o700))
		require.NoError(t, os.WriteFile(at, []byte(text), 0o600))
	}
	write("data/systemd/user/a.socket", echoSocket)
	write("data/systemd/user/a@.service", echoService)
	write("run/systemd/user/a.socket.d/x.conf", "[Socket]\nIPAddressDeny=192.0.2.1\n")
	require.Contains(t, importPaths(t, filepath.Join(home, "data/systemd/user/a.socket")), "access { deny = [\"192.0.2.1\"] }")
	write(".config/systemd/user/a.socket.d/x.conf", "[Socket]\nIPAddressDeny=192.0.2.2\n")
	require.Contains(t, importPaths(t, filepath.Join(home, "data/systemd/user/a.socket")), "access { deny = [\"192.0.2.2\"] }")
}

// A drop-in that another one hides says nothing where it is found in a directory, either.
func TestHiddenDropInInDirectory(t *testing.T) {
	root := unitTree(t, echoSocket, map[string]string{
		"lib/a-b@.service":        echoService,
		"etc/a-b.socket.d/x.conf": "[Socket]\nIPAddressDeny=192.0.2.9\n",
		"lib/a-b.socket.d/x.conf": "[Socket]\nIPAddressDeny=\nIPAddressDeny=192.0.2.1\n",
	})
	t.Chdir(root)
	for _, directories := range [][]string{
		{filepath.Join(root, "usr/lib/systemd/system")},
		{"usr/lib/systemd/system"},
		{"usr/lib/systemd/system", "etc/systemd/system"},
		{"usr/lib/systemd/system", filepath.Join(root, "usr/lib/systemd/system/a-b.socket.d")},
	} {
		require.Contains(t, importPaths(t, directories...), "access { deny = [\"192.0.2.9\"] }", directories)
	}
}

// A unit that is named in another way is not another unit.
func TestNamesOfOneUnit(t *testing.T) {
	root := unitTree(t, echoSocket, map[string]string{"lib/a-b@.service": echoService})
	require.NoError(t, os.Symlink("usr/lib", filepath.Join(root, "lib")))
	directory := filepath.Join(root, "usr/lib/systemd/system")
	t.Chdir(directory)
	for _, paths := range [][]string{
		{"./a-b.socket"},
		{directory + "//a-b.socket"},
		{filepath.Join(root, "lib/systemd/system/a-b.socket")},
		{"./a-b.socket", "a-b.socket"},
	} {
		got := importPaths(t, paths...)
		require.Contains(t, got, "\nserver \"a-b\"", paths)
		require.NotContains(t, got, "Disabled", paths)
	}
	etc := filepath.Join(root, "etc/systemd/system/a-b.socket")
	require.NoError(t, os.MkdirAll(filepath.Dir(etc), 0o700))
	require.NoError(t, os.Symlink("nowhere", etc))
	require.Contains(t, importPaths(t, "a-b.socket"), "# Disabled: systemd takes "+etc+" in place of a-b.socket; name that file\n")
}

// A drop-in that cannot be read may have what restricts clients or the program.
func TestUnreadableDropInDisables(t *testing.T) {
	for _, name := range []string{"lib/a-b.socket.d/x.conf", "lib/a-b@.service.d/x.conf", "etc/service.d/x.conf", "etc/a-b@.service"} {
		got := importUnits(t, echoSocket, map[string]string{"lib/a-b@.service": echoService, name: "unreadable"})
		require.NotContains(t, got, "\nserver", name)
		require.Contains(t, got, "without it is not known what restricts clients or the program", name)
	}
	got := importUnits(t, echoSocket, map[string]string{"lib/a-b@.service": echoService, "etc/a-b.socket.d": "not a directory"})
	require.NotContains(t, got, "\nserver")
	dir := t.TempDir() // found by itself, in a directory
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.socket"), []byte(echoSocket), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a@.service"), []byte(echoService), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a@.service.d", "x.conf"), 0o700))
	got, err := Import("", []string{dir}, check)
	require.NoError(t, err)
	require.NotContains(t, got, "\nserver")
	require.NoError(t, os.Remove(filepath.Join(dir, "a@.service.d", "x.conf")))
	require.NoError(t, os.Symlink(os.DevNull, filepath.Join(dir, "a@.service.d", "x.conf")))
	got, err = Import("", []string{dir}, check)
	require.NoError(t, err)
	require.Contains(t, got, "\nserver", "a link to /dev/null hides a drop-in")
}

// A directory with - before it need not be there.
func TestWorkingDirectory(t *testing.T) {
	there := t.TempDir()
	absent := filepath.Join(there, "absent")
	with := func(value string) string {
		return importUnits(t, echoSocket, map[string]string{"lib/a-b@.service": echoService + "WorkingDirectory=" + value + "\n"})
	}
	for _, value := range []string{there, "-" + there, "~\nWorkingDirectory=" + there} {
		got := with(value)
		require.Contains(t, got, "\nserver \"a-b\"", value)
		require.Contains(t, got, fmt.Sprintf("process { directory = %q }", there), value)
	}
	got := with("-" + absent)
	require.Contains(t, got, "\nserver \"a-b\"")
	require.NotContains(t, got, "process {")
	require.Contains(t, got, "# Different: there is no such directory; the program runs in the directory of servers.hcl\n#     WorkingDirectory=-"+absent)
	got = with(absent)
	require.Contains(t, got, "# Disabled: there is no directory "+absent+"; make it, or correct process.directory\n")
	require.Contains(t, got, fmt.Sprintf("#   process { directory = %q }", absent))
	require.Contains(t, with(there+"/../%p"), "# Disabled: there is no directory "+there+"/../a-b;")
	require.Contains(t, with("~"), "# Disabled: the home of a user is not looked up; write its path\n")
}

// Time on processors is a duration in the configuration; in both sources a number of seconds, of systemd also a time span.
func TestProcessorTime(t *testing.T) {
	for value, want := range map[string]string{"5": "5s", "90s:120s": "90s", "1min 30s": "1m30s", "2minutes": "2m", "1 h": "1h", "infinity": ""} {
		got := importUnits(t, echoSocket, map[string]string{"lib/a-b@.service": echoService + "LimitCPU=" + value + "\nRuntimeMaxSec=1min 30s\n"})
		require.Contains(t, got, "\nserver \"a-b\"", value)
		require.Contains(t, got, `request = "1m30s"`, value)
		if want != "" {
			want = fmt.Sprintf("process {\n    limits { cpu = %q }", want)
		}
		require.Contains(t, got, want, value)
	}
	at := filepath.Join(t.TempDir(), "date")
	for value, want := range map[string]string{"5": `limits { cpu = "5s" }`, "UNLIMITED": ""} {
		service := "service date\n{\nsocket_type = stream\nwait = no\nport = 5013\ntype = UNLISTED\nuser = nobody\nserver = /bin/date\nrlimit_cpu = " + value + "\n}\n"
		require.NoError(t, os.WriteFile(at, []byte(service), 0o600))
		got, err := Import("xinetd", []string{at}, check)
		require.NoError(t, err)
		require.Contains(t, got, "\nserver \"date\"", value)
		require.Contains(t, got, want, value)
	}
}

// A file that xinetd includes may have the defaults of all services.
func TestUnreadableIncludeOfXinetd(t *testing.T) {
	at := filepath.Join(t.TempDir(), "xinetd.conf")
	const service = "include nowhere\nservice a\n{\n type = UNLISTED\n socket_type = stream\n port = 7777\n wait = no\n user = nobody\n server = /bin/cat\n}\n"
	for text, enabled := range map[string]bool{service: false, "defaults\n{\n instances = 5\n}\n" + service: true} {
		require.NoError(t, os.WriteFile(at, []byte(text), 0o600))
		got, err := Import("", []string{at}, check)
		require.NoError(t, err)
		require.Equal(t, enabled, strings.Contains(got, "\nserver"), got)
	}
}
