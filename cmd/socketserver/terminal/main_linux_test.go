package terminal

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"testing"
)

// The test binary is a program on a terminal, too, where it is asked to be.
func TestMain(m *testing.M) {
	if os.Getenv("TERMINAL_TEST") != "" {
		os.Exit(program())
	}
	os.Exit(m.Run())
}

// program shows what comes from descriptor 3 and says what was typed. Its status is 0 at
// the end of the input, 1 when descriptor 3 ends, and 2 on ^C.
func program() int {
	if os.Getenv("TERMINAL_TEST") == "usable" {
		if Usable(os.Stdin, os.Stdout) {
			return 0
		}
		return 3
	}
	edits["\x1bp"] = func(*line) { panic("on purpose") }
	ends := make(chan int, 3)
	t, err := Open(Settings{
		In: os.Stdin, Out: os.Stdout, Prompt: "> ", Words: []string{"date", "ls"},
		Interrupt: func() { ends <- 2 }, OwnSignals: os.Getenv("TERMINAL_TEST") == "own signals",
	})
	if err != nil {
		panic(err)
	}
	go func() {
		for lines := bufio.NewScanner(t); lines.Scan(); {
			_ = t.BeginLine()
			fmt.Fprintf(t, "got %q\n", lines.Text())
		}
		ends <- 0
	}()
	go func() {
		_, _ = io.Copy(t, os.NewFile(3, "peer"))
		ends <- 1
	}()
	status := <-ends
	if err := t.Close(); err != nil {
		panic(err)
	}
	fmt.Println("bye")
	return status
}
