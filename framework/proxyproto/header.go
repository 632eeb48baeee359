package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"strconv"
	"strings"
)

// A header is what a proxy says of a connection. The addresses are zero where it says nothing of
// them, as of a connection of its own.
type header struct{ client, local netip.AddrPort }

var (
	signature1 = []byte("PROXY ")
	signature2 = []byte("\r\n\r\n\x00\r\nQUIT\n")
	crlf       = []byte("\r\n")
)

const (
	maxLine = 107     // bytes of a header of version 1, with its CRLF
	maxSize = 4 << 10 // bytes of a header of version 2, of which most have fewer than 100
	first   = 12      // bytes that every header has
	fixed   = 16      // bytes of a header of version 2 that its length does not count
)

var (
	errMissing = errors.New("it does not begin with a PROXY header")
	errEndless = fmt.Errorf("the line of the PROXY header has no end within %d bytes", maxLine)
)

// whole returns the size of the header that b begins with, or 0 if b does not have all of it.
func whole(b []byte) int {
	size := 0
	switch {
	case bytes.HasPrefix(b, signature1):
		size = bytes.Index(b[:min(len(b), maxLine)], crlf) + len(crlf)
	case bytes.HasPrefix(b, signature2) && len(b) >= fixed:
		size = fixed + int(binary.BigEndian.Uint16(b[14:]))
	}
	if size < first || size > len(b) {
		return 0
	}
	return size
}

// begins reports whether b, of any length, may be the beginning of a header.
func begins(b []byte) bool {
	return bytes.HasPrefix(signature1, b[:min(len(b), len(signature1))]) || bytes.HasPrefix(signature2, b[:min(len(b), len(signature2))])
}

// missing returns how many bytes of a header are still to be read for sure, where b was; 0: none.
func missing(b []byte) (int, error) {
	switch {
	case len(b) < first:
		return first - len(b), nil
	case bytes.HasPrefix(b, signature1):
		switch end := bytes.Index(b, crlf); {
		case end >= 0 && end+len(crlf) < len(b): // no line is so short
			return 0, errors.New("the line of the PROXY header is too short")
		case end >= 0:
			return end + len(crlf) - len(b), nil
		case len(b) >= maxLine:
			return 0, errEndless
		case b[len(b)-1] == '\r':
			return 1, nil
		}
		return min(2, maxLine-len(b)), nil // CRLF at least
	case !bytes.HasPrefix(b, signature2):
		return 0, errMissing
	case len(b) < fixed:
		return fixed - len(b), nil
	}
	size := fixed + int(binary.BigEndian.Uint16(b[14:]))
	if size > maxSize {
		return 0, fmt.Errorf("the PROXY header has %d bytes, and may have %d", size, maxSize)
	}
	return size - len(b), nil
}

// parse parses a whole header.
func parse(b []byte) (header, error) {
	if bytes.HasPrefix(b, signature1) {
		return parseLine(string(bytes.TrimSuffix(b, crlf)))
	}
	return parseBinary(b)
}

// parseLine parses a header of version 1: PROXY TCP4 192.0.2.1 198.51.100.1 56324 443.
func parseLine(line string) (header, error) {
	var words [6]string
	n, more := 0, true
	for ; more && n < len(words); n++ {
		words[n], line, more = strings.Cut(line, " ")
	}
	family := words[1]
	if family == "UNKNOWN" {
		return header{}, nil // whatever follows
	}
	switch {
	case family != "TCP4" && family != "TCP6":
		return header{}, fmt.Errorf("the PROXY header has the protocol %q, and should have TCP4, TCP6 or UNKNOWN", family)
	case n < len(words) || more:
		return header{}, errors.New("the line of the PROXY header should have six words: PROXY, the protocol, two addresses and two ports")
	}
	client, err := parseAddress(family, words[2], words[4])
	if err != nil {
		return header{}, fmt.Errorf("the PROXY header has %w as the client's", err)
	}
	local, err := parseAddress(family, words[3], words[5])
	if err != nil {
		return header{}, fmt.Errorf("the PROXY header has %w as the server's", err)
	}
	return header{client, local}, nil
}

func parseAddress(family, address, port string) (netip.AddrPort, error) {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Is4() != (family == "TCP4") || ip.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("the address %q, which is none of %s,", address, family)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || port[0] == '0' && port != "0" {
		return netip.AddrPort{}, fmt.Errorf("the port %q, which is none,", port)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
}

// parseBinary parses a header of version 2.
func parseBinary(b []byte) (header, error) {
	command, family, protocol, rest := b[12], b[13]>>4, b[13]&0xf, b[fixed:]
	if command == 0x20 { // LOCAL: whatever follows
		return header{}, nil
	}
	if command != 0x21 || family > 3 || protocol > 2 {
		return header{}, fmt.Errorf("the PROXY header has the unknown version and command %#x or protocol %#x", command, b[13])
	}
	size := [...]int{0, 12, 36, 216}[family] // of its addresses
	if len(rest) < size {
		return header{}, fmt.Errorf("the PROXY header has %d bytes of addresses, and should have %d", len(rest), size)
	}
	if err := checkExtensions(b, fixed+size); err != nil {
		return header{}, err
	}
	var h header
	if protocol == 1 {
		switch family {
		case 1:
			h.client = addrPort(netip.AddrFrom4([4]byte(rest)), rest[8:])
			h.local = addrPort(netip.AddrFrom4([4]byte(rest[4:])), rest[10:])
		case 2:
			h.client = addrPort(netip.AddrFrom16([16]byte(rest)), rest[32:])
			h.local = addrPort(netip.AddrFrom16([16]byte(rest[16:])), rest[34:])
		}
	}
	return h, nil
}

func addrPort(ip netip.Addr, port []byte) netip.AddrPort {
	return netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(port))
}

const (
	extension    = 3    // bytes before the value of an extension (TLV)
	checksumType = 0x03 // of the extension that has a CRC32C of the header
)

// checkExtensions checks that the extensions that begin at the offset fill the header b, and its
// checksum where there is one. What else they say is not looked at.
func checkExtensions(b []byte, offset int) error {
	for offset < len(b) {
		if len(b)-offset < extension {
			return errors.New("an extension of the PROXY header is cut off")
		}
		value := b[offset+extension:]
		size := int(binary.BigEndian.Uint16(b[offset+1:]))
		if size > len(value) {
			return errors.New("an extension of the PROXY header is longer than the header")
		}
		if value = value[:size]; b[offset] == checksumType && !checksumMatches(b, value) {
			return errors.New("the checksum of the PROXY header does not match")
		}
		offset += extension + size
	}
	return nil
}

// checksumMatches reports whether value, which lies in b, is the checksum of b with 0 in its place.
func checksumMatches(b, value []byte) bool {
	if len(value) != 4 {
		return false
	}
	want := binary.BigEndian.Uint32(value)
	clear(value)
	defer binary.BigEndian.PutUint32(value, want)
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) == want
}
