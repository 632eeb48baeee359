package conn

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const maxLine = 64 << 10

// streamOf is rfile of a client that sends data, in writes of a size, and closes.
func streamOf(t *testing.T, data []byte, write, buffer int) *bufio.Reader {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { _, _ = here.Close(), there.Close() })
	go func() {
		for part := range slices.Chunk(data, write) {
			if _, err := there.Write(part); err != nil {
				return
			}
		}
		_ = there.Close()
	}()
	rfile, _ := NewStream(here, &Timeouts{}, buffer, 0, maxLine, 0).Open()
	return rfile
}

func TestLineTooLong(t *testing.T) {
	for name, read := range map[string]func(*bufio.Reader) (int, error){
		"ReadString": func(r *bufio.Reader) (int, error) { s, err := r.ReadString('\n'); return len(s), err },
		"ReadBytes":  func(r *bufio.Reader) (int, error) { s, err := r.ReadBytes(0); return len(s), err },
		"textproto": func(r *bufio.Reader) (int, error) {
			s, err := textproto.NewReader(r).ReadLine()
			return len(s), err
		},
		"ReadLine": func(r *bufio.Reader) (n int, err error) {
			for more := true; more && err == nil; {
				var part []byte
				part, more, err = r.ReadLine()
				n += len(part)
			}
			return n, err
		},
		"ReadSlice": func(r *bufio.Reader) (n int, err error) {
			for err = bufio.ErrBufferFull; errors.Is(err, bufio.ErrBufferFull); {
				var part []byte
				part, err = r.ReadSlice('\n')
				n += len(part)
			}
			return n, err
		},
	} {
		for _, buffer := range []int{16, 4096, 5000} {
			for _, write := range []int{7, 4096, 1 << 20} {
				endless := bytes.Repeat([]byte(strings.Repeat("a", buffer-1)+"\r"), 1<<20/buffer)
				n, err := read(streamOf(t, endless, write, buffer))
				require.ErrorIs(t, err, ErrLineTooLong, "%s, buffer of %d, writes of %d", name, buffer, write)
				require.ErrorContains(t, err, "65536 bytes")
				require.LessOrEqual(t, n, maxLine+buffer, "%s, buffer of %d, writes of %d", name, buffer, write)
			}
		}
	}
}

// Another delimiter than a newline bounds what is between two, however many lines that is.
func TestOtherDelimiters(t *testing.T) {
	reads := map[string]func(*bufio.Reader) (int, error){
		"ReadString": func(r *bufio.Reader) (int, error) { s, err := r.ReadString(';'); return len(s), err },
		"ReadBytes":  func(r *bufio.Reader) (int, error) { s, err := r.ReadBytes(0); return len(s), err },
		"ReadSlice": func(r *bufio.Reader) (n int, err error) {
			for err = bufio.ErrBufferFull; errors.Is(err, bufio.ErrBufferFull); {
				var part []byte
				part, err = r.ReadSlice(0)
				n += len(part)
			}
			return n, err
		},
	}
	for name, read := range reads {
		for _, size := range []int{1, 2, 7, 64, 100, 4095, 5000} {
			for _, write := range []int{4096, 1 << 20} {
				lines := strings.Repeat(strings.Repeat("a", size-1)+"\n", 1<<20/size)
				n, err := read(streamOf(t, []byte(lines), write, 4096))
				require.ErrorIs(t, err, ErrLineTooLong, "%s, lines of %d, writes of %d", name, size, write)
				require.LessOrEqual(t, n, maxLine+4096, "%s, lines of %d, writes of %d", name, size, write)

				record := lines[:min(len(lines), maxLine-1)] + "\x00"
				rfile := streamOf(t, []byte(strings.Repeat(record, 3)), write, 4096)
				for range 3 {
					got, err := rfile.ReadString(0)
					require.NoError(t, err, "%s, lines of %d, writes of %d", name, size, write)
					require.True(t, record == got)
				}
			}
		}
	}
}

// Lines up to the limit are whole, also many that end where a buffer does.
func TestLinesWithinTheLimit(t *testing.T) {
	for _, size := range []int{1, 16, 100, 2048, 4095, 4096, 4097, 8192, 12287, maxLine} {
		line := strings.Repeat("a", size-1) + "\n"
		for _, write := range []int{7, 4095, 4096, 1 << 20} {
			for _, buffer := range []int{16, 4096} {
				count := min(maxLine/size+3, 200)
				if write == 7 { // thousands of writes for each line
					count = min(maxLine/size/8+1, 100)
				}
				rfile := streamOf(t, []byte(strings.Repeat(line, count)), write, buffer)
				for range count {
					got, err := rfile.ReadString('\n')
					require.NoError(t, err, "lines of %d, writes of %d, buffer of %d", size, write, buffer)
					require.True(t, line == got)
				}
			}
		}
	}
	_, err := streamOf(t, []byte(strings.Repeat("a", maxLine)+"\n"), 1<<20, 4096).ReadString('\n')
	require.ErrorIs(t, err, ErrLineTooLong)
}

// What is no line is not bounded, whatever is in it.
func TestOtherReadsAreNotBounded(t *testing.T) {
	data := bytes.Repeat([]byte("好"), 1<<16) // no newline; its runes do not fit the buffers
	reads := map[string]func(r *bufio.Reader, to *bytes.Buffer) error{
		"io.Copy": func(r *bufio.Reader, to *bytes.Buffer) error { _, err := io.Copy(to, r); return err },
		"io.ReadAll": func(r *bufio.Reader, to *bytes.Buffer) error {
			all, err := io.ReadAll(r)
			to.Write(all)
			return err
		},
		"ReadByte": func(r *bufio.Reader, to *bytes.Buffer) error {
			for {
				b, err := r.ReadByte()
				if err != nil {
					return err
				}
				to.WriteByte(b)
			}
		},
		"ReadRune": func(r *bufio.Reader, to *bytes.Buffer) error {
			for {
				b, _, err := r.ReadRune()
				if err != nil {
					return err
				}
				to.WriteRune(b)
			}
		},
		"Peek and Discard": func(r *bufio.Reader, to *bytes.Buffer) error {
			for {
				if _, err := r.Peek(1); err != nil {
					return err
				}
				part, _ := r.Peek(r.Buffered())
				to.Write(part)
				_, _ = r.Discard(len(part))
			}
		},
	}
	for _, size := range []int{1, 100, 1024, 4095, 4096, 4097, 32 << 10} {
		reads["Read"] = func(r *bufio.Reader, to *bytes.Buffer) error {
			_, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{r}, make([]byte, size))
			return err
		}
		reads["ReadFull"] = func(r *bufio.Reader, to *bytes.Buffer) error {
			for p := make([]byte, size); ; {
				n, err := io.ReadFull(r, p)
				to.Write(p[:n])
				if err != nil {
					return io.EOF
				}
			}
		}
		for name, read := range reads {
			for _, write := range []int{4096, 1 << 20} {
				var got bytes.Buffer
				if err := read(streamOf(t, data, write, 4096), &got); !errors.Is(err, io.EOF) {
					require.NoError(t, err, "%s of %d, writes of %d", name, size, write)
				}
				require.True(t, bytes.Equal(data, got.Bytes()), "%s of %d, writes of %d", name, size, write)
			}
		}
	}
}
