package proxyproto

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// input is a connection from which bytes can be read, at most so many at once.
type input struct {
	net.Conn
	data bytes.Buffer
	most int
}

func (i *input) Read(p []byte) (int, error) { return i.data.Read(p[:min(len(p), i.most)]) }

// take reads a header from data. rest is what follows it.
func take(data []byte, most int) (h header, rest []byte, err error) {
	in := &input{most: most}
	in.data.Write(data)
	b, err := readHeader(in, new([maxSize]byte))
	if err == nil {
		h, err = parse(b)
	}
	return h, in.data.Bytes(), err
}

// binaryHeader makes a header of version 2.
func binaryHeader(command, protocol byte, rest string) []byte {
	b := append(bytes.Clone(signature2), command, protocol)
	b = binary.BigEndian.AppendUint16(b, uint16(len(rest)))
	return append(b, rest...)
}

const (
	four = "\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb" // 192.0.2.1:56324 to 198.51.100.1:443
	six  = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc6\x33\x64\x01" + "\x00\x01\x00\x02"
)

// withChecksum adds the CRC32C extension, with an error of so much.
func withChecksum(rest string, wrong uint32) []byte {
	b := binaryHeader(0x21, 0x11, rest+"\x03\x00\x04\x00\x00\x00\x00")
	binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))+wrong)
	return b
}

func TestHeaders(t *testing.T) {
	tlvs := "\x01\x00\x02h2" + "\xea\x00\x00" + "\x04\x00\x03\x00\x00\x00"
	for text, want := range map[string]string{
		"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n":            "192.0.2.1:56324 198.51.100.1:443",
		"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n": "255.255.255.255:65535 255.255.255.255:65535",
		"PROXY TCP6 2001:db8::1 ::ffff:198.51.100.1 1 2\r\n":         "[2001:db8::1]:1 198.51.100.1:2",
		"PROXY UNKNOWN\r\n":                     "own",
		"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n": "own",
		"PROXY UNKNOWN " + strings.Repeat("x", maxLine-len("PROXY UNKNOWN \r\n")) + "\r\n":  "own",
		string(binaryHeader(0x21, 0x11, four)):                                              "192.0.2.1:56324 198.51.100.1:443",
		string(binaryHeader(0x21, 0x11, four+tlvs)):                                         "192.0.2.1:56324 198.51.100.1:443",
		string(binaryHeader(0x21, 0x21, six)):                                               "[2001:db8::1]:1 198.51.100.1:2",
		string(binaryHeader(0x20, 0x00, "")):                                                "own",
		string(binaryHeader(0x20, 0x11, four)):                                              "own",
		string(binaryHeader(0x20, 0x11, "")):                                                "own", // LOCAL, whatever follows
		string(binaryHeader(0x20, 0x21, four)):                                              "own",
		string(binaryHeader(0x20, 0xff, "")):                                                "own",
		string(binaryHeader(0x20, 0x00, "\x01\x00")):                                        "own",
		string(binaryHeader(0x20, 0x00, "\x03\x00\x04\x00\x00\x00\x00")):                    "own",
		string(binaryHeader(0x21, 0x00, "\x01\x00\x00")):                                    "own",
		string(binaryHeader(0x21, 0x31, strings.Repeat("\x00", 216))):                       "own",
		string(binaryHeader(0x21, 0x12, four)):                                              "own", // of datagrams
		string(withChecksum(four+tlvs, 0)):                                                  "192.0.2.1:56324 198.51.100.1:443",
		string(binaryHeader(0x21, 0x11, four+"\x01"+"\x0f\xb1"+strings.Repeat("x", 0xfb1))): "192.0.2.1:56324 198.51.100.1:443",

		string(withChecksum(four+tlvs, 1)):                                       "error: the checksum of the PROXY header does not match",
		string(binaryHeader(0x21, 0x11, four+"\x03\x00\x02xx")):                  "error: the checksum of the PROXY header does not match",
		string(binaryHeader(0x21, 0x11, four+"\x01\x00")):                        "error: an extension of the PROXY header is cut off",
		string(binaryHeader(0x21, 0x11, four+"\x01\x00\x04h2")):                  "error: an extension of the PROXY header is longer than the header",
		string(binaryHeader(0x21, 0x11, four[:11])):                              "error: the PROXY header has 11 bytes of addresses, and should have 12",
		string(binaryHeader(0x21, 0x11, strings.Repeat("x", 65535))):             "error: the PROXY header has 65551 bytes, and may have 4096",
		string(binaryHeader(0x22, 0x11, four)):                                   "error: the PROXY header has the unknown version and command 0x22 or protocol 0x11",
		string(binaryHeader(0x11, 0x11, four)):                                   "error: the PROXY header has the unknown version and command 0x11 or protocol 0x11",
		string(binaryHeader(0x21, 0x41, four)):                                   "error: the PROXY header has the unknown version and command 0x21 or protocol 0x41",
		string(binaryHeader(0x21, 0x13, four)):                                   "error: the PROXY header has the unknown version and command 0x21 or protocol 0x13",
		"GET / HTTP/1.1\r\n\r\n":                                                 "error: it does not begin with a PROXY header",
		"\r\n\r\n\x00\r\nQUIT\r\x21\x11":                                         "error: it does not begin with a PROXY header",
		"proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n":                              "error: it does not begin with a PROXY header",
		"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n" + strings.Repeat("x", maxLine): "error: the line of the PROXY header has no end within 107 bytes",
		"PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n":                          `error: the PROXY header has the port "65536", which is none, as the server's`,
		"PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n":                             `error: the PROXY header has the port "01", which is none, as the client's`,
		"PROXY TCP4 192.0.2.1 198.51.100.1 1  2\r\n":                             "error: the line of the PROXY header should have six words: PROXY, the protocol, two addresses and two ports",
		"PROXY TCP4 192.0.2.1  198.51.100.1 1 2\r\n":                             "error: the line of the PROXY header should have six words: PROXY, the protocol, two addresses and two ports",
		"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n":                             `error: the PROXY header has the address "2001:db8::1", which is none of TCP4, as the client's`,
		"PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n":                              `error: the PROXY header has the address "192.0.2.1", which is none of TCP6, as the client's`,
		"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n":                                `error: the PROXY header has the address "fe80::1%eth0", which is none of TCP6, as the client's`,
		"PROXY TCP5 192.0.2.1 198.51.100.1 1 2\r\n":                              `error: the PROXY header has the protocol "TCP5", and should have TCP4, TCP6 or UNKNOWN`,
		"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n":                            "error: the line of the PROXY header should have six words: PROXY, the protocol, two addresses and two ports",
		"PROXY UNKNOWN " + strings.Repeat("x", maxLine) + "\r\n":                 "error: the line of the PROXY header has no end within 107 bytes",
		"PROXY TCP4 192.0.2.1":                                                   "error: the PROXY header is cut off",
		"PROX":                                                                   "error: the PROXY header is cut off",
		"\r\n\r\n\x00\r":                                                         "error: the PROXY header is cut off",
		"hi\n":                                                                   "error: it does not begin with a PROXY header",
		"PRO ":                                                                   "error: it does not begin with a PROXY header",
		"\r\n":                                                                   "error: it does not begin with a PROXY header",
		"":                                                                       "error: EOF",
	} {
		for _, most := range []int{1, 7, 1 << 20} {
			h, rest, err := take([]byte(text+"hello"), most)
			if strings.HasSuffix(want, "cut off") && !strings.Contains(want, "extension") || want == "error: EOF" {
				h, rest, err = take([]byte(text), most)
			}
			got := h.client.String() + " " + h.local.String()
			switch {
			case err != nil:
				got = "error: " + err.Error()
			case !h.client.IsValid():
				got = "own"
			}
			require.Equal(t, want, got, "%q", text)
			if err == nil {
				require.Equal(t, "hello", string(rest), "%q", text)
			}
		}
	}
}

// What is read of a connection is the header and nothing else, however it arrives, and no input
// makes the parser panic.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nhello"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte("PROXY 000\r\n0"))
	f.Add(append(binaryHeader(0x21, 0x11, four+"\x01\x00\x02h2"), "hello"...))
	f.Add(binaryHeader(0x20, 0x00, ""))
	f.Add(binaryHeader(0x21, 0x21, six))
	f.Add(withChecksum(four, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, rest, err := take(data, 1<<20)
		slow, slowRest, slowErr := take(data, 1)
		require.Equal(t, err == nil, slowErr == nil)
		at := whole(data[:min(len(data), maxSize)])
		if err != nil {
			if at > 0 {
				_, err = parse(data[:at])
				require.Error(t, err)
			}
			return
		}
		require.Equal(t, len(data)-len(rest), at)
		require.Equal(t, h, slow)
		require.Equal(t, rest, slowRest)
		b := data[:len(data)-len(rest)]
		if bytes.HasPrefix(b, signature1) {
			require.LessOrEqual(t, len(b), maxLine)
			require.Equal(t, len(b)-2, bytes.Index(b, crlf))
			return
		}
		require.Equal(t, fixed+int(binary.BigEndian.Uint16(b[14:])), len(b), hex.EncodeToString(b))
	})
}

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string][]byte{"v1": []byte("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"), "v2": binaryHeader(0x21, 0x11, four), "v2 with checksum": withChecksum(four, 0)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
