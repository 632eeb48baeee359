package subject

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// Inetd returns the program of a form that starts cat for each connection; empty: it is not installed.
func Inetd(form string) string {
	name := map[string]string{result.Xinetd: "xinetd", result.Systemd: "systemd-socket-activate"}[form]
	for _, path := range []string{name, "/usr/sbin/" + name} { // sbin is seldom in the PATH
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	return ""
}

// serveInetd runs such a program until ctx is done.
func (s *Spec) serveInetd(ctx context.Context) error {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("find a free port: %w", err)
	}
	at := free.Addr().String()
	_ = free.Close() // that program takes no socket of another
	args, err := s.inetdArgs(at)
	if err != nil {
		return err
	}
	adopt() // its programs, which it may not have reaped when it ends
	command := exec.Command(Inetd(s.Form), args...)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	command.Env = append(command.Environ(), "SYSTEMD_LOG_LEVEL=err") // else there are five lines for each connection
	if err := command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.Form, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = command.Wait() // ProcessState has more
		close(ended)
	}()
	defer func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		<-ended
		for pid := 1; pid > 0; { // there is no other child
			pid, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		}
	}()
	const soon = 5 * time.Millisecond
	for ctx.Err() == nil { // neither reports when it listens
		if c, err := net.Dial("tcp", at); err == nil {
			_ = c.Close()
			break
		}
		select {
		case <-ended:
			return fmt.Errorf("%s ended before it listened: %s", s.Form, command.ProcessState)
		case <-time.After(soon):
		}
	}
	send(report{Network: "tcp", Address: at})
	<-ctx.Done()
	return nil
}

func (s *Spec) inetdArgs(at string) ([]string, error) {
	if s.Form == result.Systemd {
		return []string{"--listen", at, "--accept", "--inetd", "/bin/cat"}, nil
	}
	_, port, _ := net.SplitHostPort(at)
	me, err := user.Current()
	if err != nil {
		return nil, fmt.Errorf("look up the current user: %w", err)
	}
	path := filepath.Join(s.Directory, "xinetd.conf")
	text := "service compared\n{\ntype = UNLISTED\nsocket_type = stream\nprotocol = tcp\nbind = 127.0.0.1\nwait = no\nserver = /bin/cat\n" +
		"instances = UNLIMITED\nper_source = UNLIMITED\ncps = " + strconv.Itoa(1<<20) + " 1\nport = " + port + "\nuser = " + me.Username + "\n}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("configure xinetd: %w", err)
	}
	return []string{"-dontfork", "-f", path, "-pidfile", filepath.Join(s.Directory, "pid")}, nil
}
