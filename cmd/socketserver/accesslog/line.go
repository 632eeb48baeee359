package accesslog

import (
	"net"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf16"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/framework"
)

// appendLine appends the line of a request that ended at that time. Nothing is allocated for TCP
// and UDP.
func appendLine(b []byte, at time.Time, r *framework.Request, o framework.Outcome) []byte {
	b = append(b, `{"@timestamp":"`...)
	b = at.AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	b = append(b, `","server":`...)
	b = appendText(b, r.Server)
	b = append(b, `,"network":`...)
	b = appendText(b, r.Network)
	b = append(b, `,"client":`...)
	b = appendAddress(b, r.ClientAddress)
	b = append(b, `,"local":`...)
	b = appendAddress(b, r.LocalAddress)
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"pid", int64(o.Pid)}, {"duration_us", o.Duration.Microseconds()}, {"wait_us", o.Wait.Microseconds()}, {"in", o.In}, {"out", o.Out},
	} {
		b = append(append(append(b, `,"`...), field.name...), `":`...)
		if field.value < 0 {
			b = append(b, "null"...) // nobody has counted them
			continue
		}
		b = strconv.AppendInt(b, field.value, 10)
	}
	b = append(b, `,"outcome":`...)
	b = appendText(b, string(supervisor.OutcomeOf(o)))
	return append(b, "}\n"...)
}

// appendAddress appends an address as text. IPv4 is never written as IPv6.
func appendAddress(b []byte, a net.Addr) []byte {
	var ip netip.AddrPort
	switch a := a.(type) {
	case nil:
		return append(b, `""`...)
	case *net.TCPAddr:
		ip = a.AddrPort()
	case *net.UDPAddr:
		ip = a.AddrPort()
	default:
		return appendText(b, a.String())
	}
	b = append(b, '"')
	b = netip.AddrPortFrom(ip.Addr().Unmap(), ip.Port()).AppendTo(b)
	return append(b, '"')
}

// appendText appends text as JSON in ASCII: the name of a client's socket may have anything in it.
func appendText(b []byte, text string) []byte {
	b = append(b, '"')
	for _, r := range text {
		if r >= ' ' && r <= '~' && r != '"' && r != '\\' {
			b = append(b, byte(r))
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			b = append(b, `\u`...)
			for shift := 12; shift >= 0; shift -= 4 {
				b = append(b, "0123456789abcdef"[unit>>shift&0xf])
			}
		}
	}
	return append(b, '"')
}
