package process

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const nobody = 65534

// A child that runs as another user cannot end the server, which root runs without the capability to limit the
// processes of others, and which limits them all the same.
func TestChildCannotEndTheServer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), "TEST_CHILD=server")
	var started error
	done := make(chan []byte)
	go func() {
		runtime.LockOSThread() // for good: what it starts lacks the capability, too
		if started = unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_RESOURCE, 0, 0, 0); started != nil {
			close(done)
			return
		}
		out, err := server.CombinedOutput()
		started = err
		done <- out
	}()
	said := <-done
	require.NoError(t, started, "%s", said)
}

// serveAttacker is a server one of whose children attacks it while it starts others.
func serveAttacker() error {
	image, err := Self()
	if err != nil {
		return err
	}
	output, printed, err := os.Pipe()
	if err != nil {
		return err
	}
	as := Restrictions{Files: 64, AsUser: true, UID: nobody, GID: nobody}
	attacker, err := Start(Command{
		Image: image, Args: []string{"child"}, Env: append(Environment(), "TEST_CHILD=attack"),
		Stdout: printed, Stderr: os.Stderr, DieWithParent: true, Restrictions: as,
	})
	if err = errors.Join(err, printed.Close()); err != nil {
		return err
	}
	if _, err = bufio.NewReader(output).ReadString('\n'); err != nil { // it attacks
		return err
	}
	for range 10 {
		child, err := Start(Command{
			Image: image, Args: []string{"child"}, Env: append(Environment(), "TEST_CHILD=1"),
			Stdout: os.Stdout, Stderr: os.Stderr, DieWithParent: true, Restrictions: as,
		})
		if err != nil {
			return err
		}
		has, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", child.Pid))
		if err == nil && !regexp.MustCompile(`Max open files +64 +64 `).Match(has) {
			err = fmt.Errorf("it has other limits: %s", has)
		}
		child.Kill()
		_, failed := child.Wait()
		if err = errors.Join(err, failed); err != nil {
			return err
		}
	}
	attacker.Kill()
	_, err = attacker.Wait()
	return err
}

// attack tries for ever to kill each thread of the parent.
func attack() {
	server := os.Getppid()
	for first := true; ; first = false {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", server))
		if err != nil || len(threads) == 0 {
			return
		}
		for range 50 {
			for _, thread := range threads {
				tid, _ := strconv.Atoi(thread.Name())
				_ = unix.Tgkill(server, tid, unix.SIGKILL)
			}
		}
		if first {
			fmt.Println("attacks")
		}
	}
}
