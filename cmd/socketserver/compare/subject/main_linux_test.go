package subject

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap/experiment"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// The test binary is the command, with all that it becomes in a comparison.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // every child would sleep a second
	Become(func(hclog.Logger) *framework.Program { return nil })
	if len(os.Args) == 3 && os.Args[1] == "parent" {
		parentProcess(os.Args[2])
	}
	goleak.VerifyTestMain(m)
}

// noClasses is a catalog with every handler: the subject finds the errors.
type noClasses struct{}

func (noClasses) Prepare(*config.Config)                                {}
func (noClasses) Names(string) []string                                 { return nil }
func (noClasses) Class(*config.Server) (*framework.HandlerClass, error) { return nil, nil }

// parse makes a spec from the parts of a server block.
func parse(form, network, concurrency, handler string) (Spec, error) {
	address := "localhost:0"
	if strings.HasPrefix(network, "unix") {
		address = "s"
	}
	text := fmt.Sprintf("server \"subject\" {\ntransport %q { address = %q }\nconcurrency %s\n%s\ntimeouts { drain = \"500ms\" }\n}\n", network, address, concurrency, handler)
	c, err := config.Parse("test.hcl", []byte(text), noClasses{})
	if err != nil {
		return Spec{}, err
	}
	return Spec{Name: form + " " + concurrency, Form: form, Server: *c.Servers[0]}, nil
}

func specOf(t *testing.T, form, network, concurrency, handler string) Spec {
	t.Helper()
	s, err := parse(form, network, concurrency, handler)
	require.NoError(t, err)
	return s
}

// start starts a subject that the test stops.
func start(t *testing.T, spec Spec) *Subject {
	t.Helper()
	s, err := Start(t.Context(), spec)
	require.NoError(t, err)
	t.Cleanup(func() { s.Stop() })
	return s
}

// ask sends a line, or a datagram, and returns the first line of the answer.
func ask(t *testing.T, s *Subject, text string) string {
	t.Helper()
	conn := dial(t, s)
	defer conn.Close()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	return line
}

func dial(t *testing.T, s *Subject) net.Conn {
	t.Helper()
	return frameworktest.DialAddress(t, s.Network, s.Address)
}

// hold begins an experiment and returns when its handler runs.
func hold(t *testing.T, s *Subject, word string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn := dial(t, s)
	_, err := io.WriteString(conn, word+"\n")
	require.NoError(t, err)
	answer := bufio.NewReader(conn)
	line, err := answer.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "ready")
	return conn, answer
}

// requireNothing requires that nothing of a subject is left.
func requireNothing(t *testing.T, s *Subject) {
	t.Helper()
	require.Empty(t, s.tree.members())
	require.NoDirExists(t, s.directory)
	require.False(t, listening(s.Network, s.Address))
}

// parentProcess is a comparison that is killed: it starts a subject and waits.
func parentProcess(form string) {
	spec, err := parse(form, "tcp", `"forking" {}`, "handler "+`"`+experiment.Name+`" {}`)
	if err == nil {
		var s *Subject
		if s, err = Start(context.Background(), spec); err == nil {
			fmt.Println(s.Address, s.Pid(), s.directory)
			select {}
		}
	}
	panic(err)
}
