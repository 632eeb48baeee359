package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/go-socketserver/socketserver/cmd/socketserver/terminal"
)

// typing shows what comes from descriptor 3 and what was typed. Its status is 0 at the end of
// the input, 1 when descriptor 3 ends, and 2 on ^C.
func typing() int {
	if os.Getenv("TERMINAL_TEST") == "usable" {
		if terminal.Usable(os.Stdin, os.Stdout) {
			return 0
		}
		return 3
	}
	ends := make(chan int, 3)
	t, err := terminal.Open(terminal.Settings{
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
