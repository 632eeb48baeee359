package supervisor_test

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A load is clients that ask one question each, all the time, over a connection of its own.
type load struct {
	stop    chan struct{}
	clients sync.WaitGroup

	mu       sync.Mutex
	answers  map[string]int // by their first letter, the generation of the server
	failures []error
	more     chan struct{} // closed when there is another answer or failure
}

func startLoad(l supervisor.Listener, clients int) *load {
	d := &load{stop: make(chan struct{}), answers: map[string]int{}, more: make(chan struct{})}
	for range clients {
		d.clients.Go(func() {
			for {
				select {
				case <-d.stop:
					return
				default:
					d.record(ask(l))
				}
			}
		})
	}
	return d
}

func ask(l supervisor.Listener) (string, error) {
	conn, err := net.Dial(l.Network, l.Address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(frameworktest.Patience)); err != nil {
		return "", err
	}
	if _, err := conn.Write([]byte("hello")); err != nil {
		return "", err
	}
	answer := make([]byte, 16)
	n, err := conn.Read(answer)
	if err == nil && (n != 6 || string(answer[1:n]) != "hello") {
		err = fmt.Errorf("the answer is %q", answer[:n])
	}
	return string(answer[:1]), err
}

func (d *load) record(answer string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.failures = append(d.failures, err)
	} else {
		d.answers[answer]++
	}
	close(d.more)
	d.more = make(chan struct{})
}

// await waits until a generation has given n answers.
func (d *load) await(t *testing.T, generation string, n int) {
	t.Helper()
	for {
		d.mu.Lock()
		answers, failures, more := d.answers[generation], d.failures, d.more
		d.mu.Unlock()
		require.Empty(t, failures)
		if answers >= n {
			return
		}
		frameworktest.Await(t, more, "there are no answers")
	}
}

// end stops the clients and requires that none of them has failed.
func (d *load) end(t *testing.T) {
	t.Helper()
	close(d.stop)
	d.clients.Wait()
	require.Empty(t, d.failures)
	require.Subset(t, []string{"1", "2", "3", "4"}, slicesOf(d.answers))
}

func slicesOf(m map[string]int) []string {
	var keys []string
	for k := range maps.Keys(m) {
		keys = append(keys, k)
	}
	return keys
}

// No client finds out that a server is replaced, twice, by another strategy and by its own.
func TestApplyUnderLoadFailsNoConnection(t *testing.T) {
	strategies := []string{`"threading" {}`, `"forking" { spares = 1 }`, `"preforking" { workers = 2 }`}
	for i, strategy := range strategies {
		for _, network := range []string{"tcp", "udp"} {
			t.Run(strings.Fields(strategy)[0]+network, func(t *testing.T) {
				t.Parallel()
				next := strategies[(i+1)%len(strategies)]
				transport := fmt.Sprintf("transport %q { address = %q }", network, "127.0.0.1:0")
				s := start(t, server("s", transport, strategy, "1", ""))
				at := s.status(t, "s").Listeners[0]
				var conversation net.Conn
				if network == "tcp" {
					conversation = dial(t, at)
					require.Equal(t, "1first", frameworktest.Ask(t, conversation, "first"))
				}
				clients := startLoad(at, 4)
				clients.await(t, "1", 10)
				s.apply(t, server("s", transport, strategy, "2", "limits { connections = 100 }"))
				clients.await(t, "2", 10)
				s.apply(t, server("s", transport, next, "3", ""))
				clients.await(t, "3", 10)
				clients.end(t)
				if network == "tcp" {
					require.Equal(t, "1last", frameworktest.Ask(t, conversation, "last"))
					require.NoError(t, conversation.Close())
				}
				s.log.await(t, "stopped", 2)
				status := s.Status()
				require.Len(t, status, 1)
				require.Equal(t, []supervisor.Listener{at}, status[0].Listeners)
				require.Empty(t, slices.DeleteFunc(strings.Split(s.log.String(), "\n"), func(line string) bool {
					return !strings.Contains(line, "[WARN]") || strings.Contains(line, "handlers run as root")
				}))
				require.NotContains(t, s.log.String(), "[ERROR]")
			})
		}
	}
}

// A configuration that cannot be had changes nothing and leaves nothing behind.
func TestApplyFailureChangesNothing(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer busy.Close()
	taken := fmt.Sprintf(`transport "tcp" { address = %q }`, busy.Addr())
	old := server("threading", anyPort, `"threading" {}`, "1", "") + server("forking", anyPort, `"forking" {}`, "1", "") +
		server("preforking", anyPort, `"preforking" { workers = 1 }`, "1", "")
	fresh := strings.ReplaceAll(old, `"1{data}"`, `"2{data}"`) + server("more", `transport "unix" { address = "`+t.TempDir()+`/s" }`, `"preforking" { workers = 1 }`, "2", "")
	for name, last := range map[string]string{
		"busy port": server("last", taken, `"threading" {}`, "2", ""),
		"handler that cannot open": `server "last" {
			` + anyPort + `
			concurrency "threading" {}
			handler "chat" {
				mode     = "half-duplex"
				operator = "/nowhere/operator"
			}
		}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, old)
			before, descriptors, classes := s.Status(), descriptors(t), s.catalog.open()
			_, err := s.Apply(t.Context(), s.parse(t, fresh+last))
			require.ErrorContains(t, err, `server "last": `+map[string]string{"busy port": "tcp 127.0.0.1:"}[name])
			require.Equal(t, before, s.Status())
			for late := time.Now().Add(frameworktest.Patience); len(openDescriptors(t)) > descriptors; runtime.Gosched() {
				require.True(t, time.Now().Before(late), "%d before, now %v", descriptors, openDescriptors(t))
			}
			require.Equal(t, classes, s.catalog.open())
			for _, status := range before {
				require.Equal(t, "1hello", frameworktest.Ask(t, dial(t, status.Listeners[0]), "hello"))
			}
			_, err = s.Apply(t.Context(), s.parse(t, fresh))
			require.NoError(t, err, "it can be had without the last server")
		})
	}
}

// Workers serve before a configuration is applied. Where it is not, their clients are served to the end.
func TestApplyFailureCutsNobodyOff(t *testing.T) {
	old := server("s", anyPort, `"preforking" { workers = 1 }`, "1", "")
	s := start(t, old)
	c := s.parse(t, strings.ReplaceAll(old, `"1{data}"`, `"2{data}"`)+server("last", anyPort, `"threading" {}`, "", ""))
	served := make(chan net.Conn, 1)
	c.Servers[1].Class.Open = func(string, hclog.Logger) error {
		for {
			conn := dial(t, s.status(t, "s").Listeners[0])
			if frameworktest.Ask(t, conn, "hello") == "2hello" {
				served <- conn
				return errors.New("it cannot be opened")
			}
			_ = conn.Close() // the worker is still starting
		}
	}
	failed := make(chan error, 1)
	go func() {
		_, err := s.Apply(t.Context(), c)
		failed <- err
	}()
	held := frameworktest.Await(t, served)
	select {
	case err := <-failed:
		require.FailNow(t, "its client was cut off", "%v", err)
	case <-time.After(30 * time.Millisecond):
	}
	require.Equal(t, "2again", frameworktest.Ask(t, held, "again"))
	require.NoError(t, held.Close())
	require.ErrorContains(t, frameworktest.Await(t, failed), "it cannot be opened")
}

func descriptors(t *testing.T) int { return len(openDescriptors(t)) }

// openDescriptors returns what the descriptors of this process are of.
func openDescriptors(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	var all []string
	for _, e := range entries {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name())
		all = append(all, to)
	}
	return all
}

// The plan of a reload names the certificates that it has renewed, although nothing else has changed.
func TestPlanNamesRenewedCertificates(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	own := ca.Issue(t, "localhost")
	block := server("s", fmt.Sprintf("transport \"tcp\" {\n address = \"127.0.0.1:0\"\n tls {\n certificate = %q\n key = %q\n}\n}", own.Certificate, own.Key), `"threading" {}`, "", "")
	other := server("other", anyPort, `"threading" {}`, "", "")
	s := start(t, other+block)
	require.Equal(t, []string{"other", "s"}, s.apply(t, other+block).Servers(supervisor.Keep))
	next := ca.Issue(t, "localhost")
	require.NoError(t, os.Rename(next.Certificate, own.Certificate))
	require.NoError(t, os.Rename(next.Key, own.Key))
	dry, err := s.Plan(s.parse(t, other+block))
	require.NoError(t, err)
	plan := s.apply(t, other+block)
	require.Equal(t, []string{"other"}, plan.Servers(supervisor.Keep))
	require.Regexp(t, `^~ s: certificates renewed, the first expires \d{4}-\d\d-\d\dT`, plan.String())
	require.Equal(t, plan, dry)
}
