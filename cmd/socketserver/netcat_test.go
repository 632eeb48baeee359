package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// netcat is as much of nc as the README shows: nc [-u] [-w seconds] host port sends its
// input and prints what comes back, until the server closes or is silent for a while after its
// first answer. That one may take long on a loaded machine.
func netcat() {
	udp := flag.Bool("u", false, "udp")
	wait := flag.Int("w", 0, "seconds of silence to end after")
	flag.Parse()
	network := "tcp"
	if *udp {
		network = "udp"
	}
	conn, err := net.Dial(network, net.JoinHostPort(flag.Arg(0), flag.Arg(1)))
	if err == nil {
		err = converse(conn, time.Duration(*wait)*time.Second)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "nc:", err)
		os.Exit(1)
	}
}

func converse(conn net.Conn, silence time.Duration) error {
	defer conn.Close()
	if _, err := io.Copy(conn, os.Stdin); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	for wait := time.Minute; ; wait = silence {
		if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return err
		}
		n, err := conn.Read(buf)
		if _, err := os.Stdout.Write(buf[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
