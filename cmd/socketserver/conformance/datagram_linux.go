package conformance

import (
	"fmt"
	"net"
	"time"

	"github.com/go-socketserver/socketserver/internal/text"
)

// datagrams sends datagrams of all sizes, each followed by one that has to be answered.
func datagrams(t *trial) error {
	if t.subject.Datagram.Network == "" {
		return skip("it serves no datagrams")
	}
	if t.kit.Expect == "" {
		return noExchange
	}
	if err := t.askDatagram(); err != nil {
		return err
	}
	for _, size := range []int{0, 1, 8192} {
		conn, err := net.Dial(t.subject.Datagram.Network, t.subject.Datagram.Address)
		if err != nil {
			return err
		}
		_, err = conn.Write(make([]byte, size)) // the answer does not matter
		_ = conn.Close()
		if err == nil {
			err = t.askDatagram()
		}
		if err != nil {
			return fmt.Errorf("after a datagram of %d bytes: %w", size, err)
		}
	}
	return nil
}

// askDatagram sends what is known as a datagram.
func (t *trial) askDatagram() error {
	if t.kit.Expect == "" {
		return noExchange
	}
	began := time.Now()
	conn, err := net.Dial(t.subject.Datagram.Network, t.subject.Datagram.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(t.kit.Send)); err != nil {
		return err
	}
	answer := make([]byte, 1<<16)
	_ = conn.SetReadDeadline(began.Add(patience))
	n, err := conn.Read(answer)
	if err != nil {
		return fmt.Errorf("it is not answered within %s: %w", patience, reason(err))
	}
	if got := string(answer[:n]); got != t.kit.Expect {
		return fmt.Errorf("it is answered by %s in place of %s", text.Beginning(got), text.Beginning(t.kit.Expect))
	}
	t.measured(time.Since(began))
	return nil
}
