package plugin_test

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// The test binary is the plugin, too: which one is said by the name that it is started
// with, as nothing else of the test's reaches it.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // plugins would sleep a second each
	if os.Getenv("SOCKETSERVER_PLUGIN") != "" {
		if behave := hostile[os.Args[0]]; behave != nil {
			behave()
		}
		plugin.Serve(subject)
	}
	if os.Getenv("TEST_HOST") != "" {
		hostProcess()
	}
	if os.Getenv("TEST_BY_HAND") != "" {
		plugin.Serve(subject)
	}
	framework.ServeWorker(subject)
	leakDescriptor()
	goleak.VerifyTestMain(m)
}

// atStart are the descriptors that this process has inherited.
var atStart = openFiles()

// openFiles names what the descriptors of this process are, but for those of the runtime.
func openFiles() []string {
	var files []string
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || strings.HasPrefix(target, "anon_inode:") || strings.HasPrefix(target, "/proc/") || strings.HasPrefix(target, "/sys/fs/cgroup/") {
			continue
		}
		kind, _, _ := strings.Cut(target, ":")
		files = append(files, e.Name()+"="+kind)
	}
	return files
}

// leakDescriptor does to this process what a careless parent does: it leaves it a
// descriptor that passes through exec. It is never closed.
func leakDescriptor() {
	if _, err := syscall.Open("/etc/passwd", syscall.O_RDONLY, 0); err != nil {
		panic(err)
	}
}

// What is printed before main has no newline: the worst that can be.
func init() {
	if os.Getenv("SOCKETSERVER_PLUGIN") != "" && os.Args[0] == "talkative" {
		fmt.Println("printed by init")
		fmt.Print("not a whole line")
	}
}

type options struct {
	Greeting string         `json:"greeting" doc:"said before the answer"`
	Stateful string         `json:"stateful" doc:"what is kept"`
	Count    int            `json:"count" doc:"has to be positive"`
	Motto    framework.Path `json:"motto" doc:"a file"`
}

// subject answers the commands of its clients, one line each.
var subject = framework.Define(options{Count: 1}, func(o options) (*framework.HandlerClass, error) {
	if o.Count == 13 { // as if it were stuck
		signalSelf(syscall.SIGSTOP)
	}
	if o.Count < 1 {
		return nil, errors.Join(&framework.OptionError{Option: "count", Problem: "has to be positive"}, errors.New("too little"))
	}
	return &framework.HandlerClass{
		New:      func() framework.Handler { return &handler{greeting: o.Greeting} },
		Stateful: o.Stateful,
	}, nil
})

type handler struct {
	framework.BaseRequestHandler
	greeting string
}

func (h *handler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	for {
		line, err := rfile.ReadString('\n')
		if err != nil {
			return err
		}
		command, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := fmt.Fprintf(wfile, "%s%s\n", h.greeting, h.answer(command, rest)); err != nil {
			return err
		}
		if command == "finish" { // waits for the server's end, and answers then
			<-h.Context().Done()
			_, err := fmt.Fprintln(wfile, "finished")
			return err
		}
		if command == "sleep" { // until the connection is ended
			_, err := rfile.ReadByte()
			return err
		}
		if command == "take" { // its time, whatever the server wants
			time.Sleep(3 * time.Second)
			_, err := fmt.Fprintln(wfile, "taken")
			return err
		}
	}
}

func (h *handler) answer(command, rest string) string {
	switch command {
	case "echo", "finish", "take", "sleep":
		return rest
	case "pid":
		return fmt.Sprint(os.Getpid())
	case "arguments":
		return strings.Join(os.Args[1:], " ")
	case "client":
		return h.ClientAddress.String()
	case "environment":
		return strings.Join(os.Environ(), " ")
	case "files":
		return strings.Join(atStart, " ")
	case "stdin":
		n, err := os.Stdin.Read(make([]byte, 1))
		return fmt.Sprint(n, " ", err)
	case "print":
		fmt.Println(rest)
		fmt.Fprintln(os.Stderr, "error: "+rest)
		log.Print("log: " + rest)
		h.Log().Info("hclog: " + rest)
		return "printed"
	case "lines":
		var n int
		_, err := fmt.Sscan(rest, &n)
		for range n {
			fmt.Println("a line of many")
		}
		if err != nil {
			return err.Error()
		}
		return "printed"
	case "block": // more than a pipe holds, without a newline
		n, err := os.Stdout.WriteString(strings.Repeat("x", 300<<10))
		return fmt.Sprint(n, " ", err)
	case "child": // what a program that the handler starts inherits
		out, err := exec.Command("sh", "-c", "ls /proc/self/fd | tr '\\n' ' '").Output()
		return fmt.Sprint(string(out), err)
	case "signal":
		var signal int
		if _, err := fmt.Sscan(rest, &signal); err != nil {
			return err.Error()
		}
		return fmt.Sprint(signalSelf(syscall.Signal(signal)))
	case "ignored": // signals, in a program that the handler starts
		return ignored()
	case "panic":
		panic(rest)
	case "exit":
		os.Exit(3)
	case "recovered": // as by a handler that recovers and prints
		fmt.Fprintf(os.Stderr, "%s\n\ngoroutine 7 [running]:\nmain.main()\n\t/main.go:1\n", rest)
		return "printed"
	case "crash":
		go panic(rest)
		select {}
	}
	return "no such command"
}

// signalSelf sends this process a signal, which has arrived when it returns: the thread
// sends it to itself.
func signalSelf(s syscall.Signal) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return syscall.Tgkill(os.Getpid(), syscall.Gettid(), s)
}

// hostile are plugins that misbehave before they serve, or instead.
var hostile = map[string]func(){
	"talkative": func() {},
	"json": func() {
		for _, line := range []string{`{"@message":1}`, `{"@level":1,"@message":"level"}`, `{"@timestamp":1,"@message":"timestamp"}`, `{"@message":"deep","a":` + strings.Repeat("[", 1000), `{`, `null`} {
			fmt.Fprintln(os.Stderr, line)
		}
	},
	"escape": func() { fmt.Fprintln(os.Stderr, "\x1b]0;title\x07 and \x1b[31mred\u202e") },
	"flood": func() {
		fmt.Fprintln(os.Stderr, strings.Repeat("y", 300<<10))
		for range 20000 {
			fmt.Fprintln(os.Stderr, strings.Repeat("z", 1000))
		}
	},
	"noise":   func() { fmt.Println("usage: noise FILE"); os.Exit(2) },
	"clean":   func() { fmt.Println("hello"); os.Exit(0) },
	"silent":  func() { time.Sleep(time.Hour) },
	"version": func() { fmt.Println("1|9|unix|/nowhere|grpc|"); time.Sleep(time.Hour) },
	"netrpc":  func() { fmt.Println("1|1|unix|/nowhere|netrpc|"); time.Sleep(time.Hour) },
	"secure": func() { // as go-plugin says it where the host has asked for TLS
		fmt.Println("1|1|unix|/nowhere|grpc|" + base64.RawStdEncoding.EncodeToString(certificate()))
		time.Sleep(time.Hour)
	},
	"nowhere": func() { fmt.Println("1|1|unix|/nowhere|grpc|"); time.Sleep(time.Hour) },
	"crash":   func() { panic("crashed before the handshake") },
	"daemon":  leaveChildren,
	"mortal": func() { // ends as soon as its argument, a named pipe, is written to
		go func() {
			_, _ = os.ReadFile(os.Args[1])
			os.Exit(3)
		}()
	},
}

// ignored returns the signals that a program ignores which this one starts: under nohup, SIGHUP.
func ignored() string {
	out, err := exec.Command("grep", "SigIgn", "/proc/self/status").Output()
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(out))
}

// certificate is one that signs itself, in DER.
func certificate() []byte {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		panic(err)
	}
	return raw
}
