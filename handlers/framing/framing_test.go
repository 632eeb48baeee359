package framing

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

// connection is a request over a connection, which these tests do not read from.
func connection(t testing.TB) *framework.Request {
	here, there := net.Pipe()
	t.Cleanup(func() { _, _ = here.Close(), there.Close() })
	return framework.NewStreamRequest("tcp", here)
}

func datagram() *framework.Request {
	return framework.NewDatagramRequest("udp", nil, nil, nil, nil)
}

// all returns what r reads until its end, each message followed by its ending in brackets.
func all(r *Reader) (messages []string, err error) {
	for {
		m, err := r.Next()
		if err != nil {
			return messages, err
		}
		messages = append(messages, string(m.Data)+"<"+m.Ending+">")
	}
}

func TestLine(t *testing.T) {
	full := strings.Repeat("a", MaxLine)
	for _, test := range []struct {
		name, input string
		messages    []string
		err         error
	}{
		{"nothing", "", nil, io.EOF},
		{"endings as received", "a\nb\r\n\n\r\n", []string{"a<\n>", "b<\r\n>", "<\n>", "<\r\n>"}, io.EOF},
		{"a rest is a message", "a\nrest", []string{"a<\n>", "rest<>"}, io.EOF},
		{"a return alone is no ending", "a\rb\nrest\r", []string{"a\rb<\n>", "rest\r<>"}, io.EOF},
		{"any bytes", "\x00\xff\xfe\n", []string{"\x00\xff\xfe<\n>"}, io.EOF},
		{"as long as may be", full + "\n" + full + "\r\n" + full, []string{full + "<\n>", full + "<\r\n>", full + "<>"}, io.EOF},
		{"too long", "a\n" + full + "a\nb\n", []string{"a<\n>"}, ErrTooLong},
		{"too long and the end", full + "a", nil, ErrTooLong},
	} {
		for _, size := range []int{16, 64, 4096, 64 << 10} {
			for _, source := range []io.Reader{strings.NewReader(test.input), iotest.OneByteReader(strings.NewReader(test.input))} {
				messages, err := all(NewReader(Line, connection(t), bufio.NewReaderSize(source, size)))
				require.Equal(t, test.messages, messages, "%s, buffer of %d", test.name, size)
				require.Equal(t, test.err, err, "%s, buffer of %d", test.name, size)
			}
		}
	}
}

// endless is a client that never sends a newline.
type endless struct{ sent int }

func (e *endless) Read(p []byte) (int, error) {
	e.sent += len(p)
	return copy(p, bytes.Repeat([]byte("a"), len(p))), nil
}

func TestLineIsBounded(t *testing.T) {
	for _, size := range []int{16, 4096} {
		client := &endless{}
		r := NewReader(Line, connection(t), bufio.NewReaderSize(client, size))
		_, err := r.Next()
		require.ErrorIs(t, err, ErrTooLong)
		require.LessOrEqual(t, client.sent, MaxLine+size)
		require.LessOrEqual(t, cap(r.buf), 2*(MaxLine+size))
	}
}

// A line is refused when it is too long, not when a buffer is full.
func TestLineIsRefusedAtOnce(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	go func() { _, _ = io.WriteString(here, strings.Repeat("a", MaxLine+1)) }()
	_, err := NewReader(Line, connection(t), bufio.NewReader(there)).Next()
	require.ErrorIs(t, err, ErrTooLong)
}

func TestLineAfterAnError(t *testing.T) {
	broken := errors.New("broken")
	source := io.MultiReader(strings.NewReader("a\nhalf"), iotest.ErrReader(broken))
	messages, err := all(NewReader(Line, connection(t), bufio.NewReader(source)))
	require.Equal(t, []string{"a<\n>"}, messages)
	require.Equal(t, broken, err)
}

// reads are what a client's reads bring, one after the other.
type reads []string

func (r *reads) Read(p []byte) (int, error) {
	if len(*r) == 0 {
		return 0, io.EOF
	}
	n := copy(p, (*r)[0])
	if (*r)[0] = (*r)[0][n:]; (*r)[0] == "" {
		*r = (*r)[1:]
	}
	return n, nil
}

func TestChunk(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 100)
	for _, size := range []int{16, 512, 1024, 4096} {
		client := reads{"time", "a\nb\r\n", "\x00\xff", long}
		messages, err := all(NewReader(Chunk, connection(t), bufio.NewReaderSize(&client, size)))
		require.Equal(t, io.EOF, err)
		require.Equal(t, []string{"time<>", "a\nb\r\n<>", "\x00\xff<>", long[:1024] + "<>", long[1024:] + "<>"}, messages, "buffer of %d", size)
	}
}

func TestAuto(t *testing.T) {
	for _, size := range []int{16, 4096} {
		client := reads{"ls", "time\nos\r\nda", "te", "ls\n", "\n"}
		messages, err := all(NewReader(Auto, connection(t), bufio.NewReaderSize(&client, size)))
		require.Equal(t, io.EOF, err)
		require.Equal(t, []string{"ls<>", "time<>", "os<>", "da<>", "te<>", "ls<>", "<>"}, messages, "buffer of %d", size)
	}
}

// However a datagram is read, it is one chunk.
func TestDatagram(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 600)
	for _, test := range []struct {
		kind     Kind
		input    string
		messages []string
	}{
		{Chunk, long, []string{long + "<>"}},
		{Chunk, "", []string{"<>"}},
		{Auto, long + "\n" + long, []string{long + "<>", long + "<>"}},
		{Auto, "", []string{"<>"}},
		{Line, "a\r\nrest", []string{"a<\r\n>", "rest<>"}},
		{Line, "", nil},
	} {
		messages, err := all(NewReader(test.kind, datagram(), bufio.NewReaderSize(strings.NewReader(test.input), 1024)))
		require.Equal(t, io.EOF, err)
		require.Equal(t, test.messages, messages)
	}
}

func TestMessagesAreNotAllocated(t *testing.T) {
	input := strings.Repeat("one line of many\r\n", 1<<16)
	for _, kind := range []Kind{Line, Chunk, Auto} {
		for _, size := range []int{16, 4096} {
			r := NewReader(kind, connection(t), bufio.NewReaderSize(strings.NewReader(input), size))
			_, err := r.Next() // may make the buffer
			require.NoError(t, err)
			require.Zero(t, testing.AllocsPerRun(1000, func() { _, err = r.Next() }), "%s, buffer of %d", kind, size)
			require.NoError(t, err)
		}
	}
}

func TestCheck(t *testing.T) {
	require.NoError(t, Auto.Check(Chunk, Auto))
	require.Equal(t, &framework.OptionError{
		Option: "framing", Problem: `there is no framing "words" here; choose one of "chunk", "line"`,
	}, Kind("words").Check(Chunk, Line))
}

func TestRefuse(t *testing.T) {
	var answer bytes.Buffer
	require.NoError(t, Refuse(&answer, ErrTooLong))
	require.Equal(t, "line too long: send at most 8192 bytes before a newline\n", answer.String())
	answer.Reset()
	require.Equal(t, io.EOF, Refuse(&answer, io.EOF))
	require.Empty(t, answer.String())
}

// Whatever is sent, and in whatever portions it arrives, no byte is lost or changed.
func FuzzReader(f *testing.F) {
	f.Add([]byte("a\nb\r\n\r\n\x00\xff"), 16, 3)
	f.Add([]byte(strings.Repeat("a", MaxLine+1)), 4096, 1000)
	f.Fuzz(func(t *testing.T, input []byte, size, portion int) {
		size, portion = 16+abs(size)%8192, 1+abs(portion)%4096
		for _, kind := range []Kind{Line, Chunk, Auto} {
			source := portions{bytes.NewReader(input), portion}
			r := NewReader(kind, connection(t), bufio.NewReaderSize(source, size))
			var got []byte
			var err error
			for err == nil {
				var m Message
				m, err = r.Next()
				got = append(append(got, m.Data...), m.Ending...)
				if len(m.Data) > MaxLine || kind != Line && (len(m.Data) > MaxChunk || m.Ending != "") {
					t.Fatalf("%s: message of %d bytes, ending %q", kind, len(m.Data), m.Ending)
				}
			}
			want := input
			switch {
			case kind == Line && errors.Is(err, ErrTooLong):
				want = input[:len(got)]
			case !errors.Is(err, io.EOF):
				t.Fatal(err)
			case kind == Auto: // it takes endings off
				got, want = without(got), without(input)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%s: %q of %q", kind, got, want)
			}
		}
	})
}

func abs(n int) int { return max(n, -(n + 1)) }

func without(b []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r"), nil), []byte("\n"), nil)
}

// portions brings at most size bytes with every read.
type portions struct {
	io.Reader
	size int
}

func (p portions) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), p.size)]) }

// drip sends a byte for each read, and records what rfile holds meanwhile.
type drip struct {
	data  string
	rfile *bufio.Reader
	held  []int
}

func (d *drip) Read(p []byte) (int, error) {
	d.held = append(d.held, d.rfile.Buffered())
	n := copy(p[:min(len(p), 1)], d.data)
	d.data = d.data[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// A line stays in rfile until it is whole, by which the server knows that its read timeout goes on.
func TestLineStaysInTheBuffer(t *testing.T) {
	d := &drip{data: "abc\n" + strings.Repeat("d", 18) + "\n"}
	d.rfile = bufio.NewReaderSize(d, 16)
	r := NewReader(Line, connection(t), d.rfile)
	for _, want := range []string{"abc", strings.Repeat("d", 18)} {
		m, err := r.Next()
		require.NoError(t, err)
		require.Equal(t, want, string(m.Data))
	}
	require.Equal(t, []int{0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2}, d.held)
}
