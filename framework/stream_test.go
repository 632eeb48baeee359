package framework_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// Whatever reads from the client, what was written before it has been sent.
func TestPromptThenRead(t *testing.T) {
	reads := map[string]func(r *bufio.Reader) error{
		"ReadString": func(r *bufio.Reader) error { _, err := r.ReadString('\n'); return err },
		"ReadBytes":  func(r *bufio.Reader) error { _, err := r.ReadBytes('\n'); return err },
		"ReadLine":   func(r *bufio.Reader) error { _, _, err := r.ReadLine(); return err },
		"ReadSlice":  func(r *bufio.Reader) error { _, err := r.ReadSlice('\n'); return err },
		"ReadByte":   func(r *bufio.Reader) error { _, err := r.ReadByte(); return err },
		"ReadRune":   func(r *bufio.Reader) error { _, _, err := r.ReadRune(); return err },
		"Peek":       func(r *bufio.Reader) error { _, err := r.Peek(1); return err },
		"Discard":    func(r *bufio.Reader) error { _, err := r.Discard(1); return err },
		"Read":       func(r *bufio.Reader) error { _, err := r.Read(make([]byte, 10)); return err },
		"large Read": func(r *bufio.Reader) error { _, err := r.Read(make([]byte, 1<<20)); return err },
		"Scanner":    func(r *bufio.Reader) error { s := bufio.NewScanner(r); s.Scan(); return s.Err() },
		"Copy":       func(r *bufio.Reader) error { _, err := io.Copy(io.Discard, io.LimitReader(r, 1)); return err },
		"WriteTo":    func(r *bufio.Reader) error { _, err := r.WriteTo(io.Discard); return err },
	}
	for name, read := range reads {
		for _, buffer := range []int{0, 16, 4096} {
			t.Run(fmt.Sprint(name, "/", buffer), func(t *testing.T) {
				t.Parallel()
				s := threadingServer(t, func(rfile *bufio.Reader, wfile io.Writer) error {
					if _, err := io.WriteString(wfile, "name and password: "); err != nil {
						return err
					}
					if err := read(rfile); err != nil {
						return err
					}
					_, err := io.WriteString(wfile, "thanks")
					return err
				})
				s.WriteBuffer = buffer
				frameworktest.Serve(t, s)
				conn := frameworktest.Dial(t, s)
				frameworktest.Expect(t, conn, "name and password: ")
				frameworktest.Send(t, conn, "x\n")
				require.NoError(t, conn.(*net.TCPConn).CloseWrite())
				frameworktest.Expect(t, conn, "thanks")
			})
		}
	}
}

// What another goroutine writes does not wait for the client's next word.
func TestWriteWhileReading(t *testing.T) {
	for _, buffer := range []int{0, 4096} {
		wfiles := make(chan io.Writer)
		s := threadingServer(t, func(rfile *bufio.Reader, wfile io.Writer) error {
			wfiles <- wfile
			_, err := rfile.ReadString('\n')
			return err
		})
		s.WriteBuffer = buffer
		frameworktest.Serve(t, s)
		conn := frameworktest.Dial(t, s)
		wfile := frameworktest.Await(t, wfiles)
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() {
				for range 100 {
					_, _ = io.WriteString(wfile, "0123456789")
				}
			})
		}
		for range 400 {
			frameworktest.Expect(t, conn, "0123456789") // each whole, and none left behind
		}
		writers.Wait()
		frameworktest.Send(t, conn, "\n")
		frameworktest.ExpectEnd(t, conn)
	}
}

// A read goes on though a write waits for a client that does not read yet. Both would
// otherwise wait for ever, as the client sends all before it reads anything.
func TestFullDuplex(t *testing.T) {
	const size = 16 << 20 // more than the system keeps for both
	for _, buffer := range []int{0, 4096} {
		s := threadingServer(t, func(rfile *bufio.Reader, wfile io.Writer) error {
			flood := make(chan error, 1)
			go func() {
				_, err := io.CopyN(wfile, zeros{}, size)
				flood <- err
			}()
			_, err := io.Copy(io.Discard, rfile)
			return errors.Join(err, <-flood)
		})
		s.WriteBuffer = buffer
		frameworktest.Serve(t, s)
		conn := frameworktest.Dial(t, s)
		_, err := io.CopyN(conn, zeros{}, size)
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		n, err := io.Copy(io.Discard, conn)
		require.NoError(t, err)
		require.EqualValues(t, size, n)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A hundred requests in one packet are answered in few packets.
func TestPipelinedLines(t *testing.T) {
	server, client := tcpPair(t)
	conn := &countingConn{Conn: server}
	transport := newFakeTransport()
	s := &framework.BaseServer{
		Transport: transport, Strategy: &framework.Threading{}, WriteBuffer: 4096,
		Class: class(t, framework.Func(func(rfile *bufio.Reader, wfile io.Writer) error {
			for {
				line, err := rfile.ReadString('\n')
				if err != nil {
					return err
				}
				if _, err := io.WriteString(wfile, line); err != nil {
					return err
				}
			}
		})),
	}
	frameworktest.Serve(t, s)
	lines := strings.Repeat("0123456789\n", 100)
	frameworktest.Send(t, client, lines) // before anybody reads: it arrives as one
	transport.requests <- framework.NewStreamRequest("tcp", conn)
	frameworktest.Expect(t, client, lines)
	require.NoError(t, client.(*net.TCPConn).CloseWrite())
	frameworktest.ExpectEnd(t, client)
	require.EqualValues(t, 1, conn.writes.Load())
}

// A copy in bulk is whole, with and without timeouts and buffers, though the client
// pauses and reads slowly.
func TestBulkCopy(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for name, timeouts := range map[string]framework.Timeouts{
			"no timeouts": {},
			"timeouts":    {Idle: frameworktest.Patience, Read: frameworktest.Patience, Write: frameworktest.Patience, Request: 3 * frameworktest.Patience},
		} {
			for _, buffer := range []int{0, 4096} {
				t.Run(fmt.Sprint(network, "/", name, "/", buffer), func(t *testing.T) {
					t.Parallel()
					s := newServer[network](t, class(t, framework.Func(copyBack)))
					s.Strategy, s.Timeouts, s.WriteBuffer = &framework.Threading{}, timeouts, buffer
					frameworktest.Serve(t, s)
					testBulk(t, frameworktest.Dial(t, s))
				})
			}
		}
	}
}

func copyBack(rfile *bufio.Reader, wfile io.Writer) error {
	_, err := io.Copy(wfile, rfile)
	return err
}

// testBulk sends 8 MiB in pieces between which it waits for their answer, which is
// longer than splice waits.
func testBulk(t *testing.T, conn net.Conn) {
	const pieces = 4
	sent, received := sha256.New(), sha256.New()
	for i := range pieces {
		piece := bytes.Repeat([]byte{byte(i), 1, 2, 3, 5, 7, 11}, 2<<20/7)
		sent.Write(piece)
		wrote := make(chan error, 1)
		go func() {
			_, err := conn.Write(piece)
			wrote <- err
		}()
		_, err := io.CopyN(received, conn, int64(len(piece)))
		require.NoError(t, err)
		require.NoError(t, frameworktest.Await(t, wrote))
		time.Sleep(150 * time.Millisecond) // the pause is what is tested: nothing comes
	}
	require.Equal(t, sent.Sum(nil), received.Sum(nil))
	require.NoError(t, conn.(interface{ CloseWrite() error }).CloseWrite())
	frameworktest.ExpectEnd(t, conn)
}

// 64 MiB, without a pause.
func TestBulkCopyLarge(t *testing.T) {
	s := threadingServer(t, copyBack)
	s.Timeouts = framework.Timeouts{Idle: frameworktest.Patience, Write: frameworktest.Patience}
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	const size = 64 << 20
	sent := make(chan []byte, 1)
	go func() {
		sum := sha256.New()
		block := make([]byte, 64<<10)
		for i := range size / len(block) {
			block[i%len(block)]++
			sum.Write(block)
			if _, err := conn.Write(block); err != nil {
				break
			}
		}
		_ = conn.(*net.TCPConn).CloseWrite()
		sent <- sum.Sum(nil)
	}()
	sum := sha256.New()
	n, err := io.Copy(sum, conn)
	require.NoError(t, err)
	require.EqualValues(t, size, n)
	require.Equal(t, frameworktest.Await(t, sent), sum.Sum(nil))
}

// A handler that keeps wfile gets an error and does not write to anybody.
func TestWriteAfterTheRequest(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		kept := make(chan io.Writer, 1)
		s := newServer[network](t, class(t, framework.Func(func(_ *bufio.Reader, wfile io.Writer) error {
			kept <- wfile
			_, err := io.WriteString(wfile, "answer")
			return err
		})))
		frameworktest.Serve(t, s)
		require.Equal(t, "answer", ask(t, s, "hello"))
		wfile := frameworktest.Await(t, kept)
		frameworktest.Shutdown(t, s)
		_, err := io.WriteString(wfile, "more")
		require.ErrorContains(t, err, "after the request was over")
	}
}

// A goroutine that a handler left behind in a read does not disturb the requests that
// follow.
func TestReadAfterTheRequest(t *testing.T) {
	release, read := make(chan struct{}), make(chan error)
	s := threadingServer(t, func(rfile *bufio.Reader, wfile io.Writer) error {
		if _, err := io.WriteString(wfile, "reading"); err != nil {
			return err
		}
		go func() {
			_, err := rfile.ReadByte()
			read <- err
		}()
		<-release
		return nil
	})
	s.WriteBuffer = 4096
	frameworktest.Serve(t, s)
	for range 20 {
		conn := frameworktest.Dial(t, s)
		frameworktest.Expect(t, conn, "reading") // sent when the read begins
		release <- struct{}{}
		frameworktest.ExpectEnd(t, conn)
		require.Error(t, frameworktest.Await(t, read))
	}
}
