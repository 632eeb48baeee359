package importer

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/go-socketserver/socketserver/internal/vsock"
)

// listens are the networks of addresses of IP and of Unix.
var listens = map[string][2]string{
	"ListenStream": {"tcp", "unix"}, "ListenDatagram": {"udp", "unixgram"}, "ListenSequentialPacket": {"", "unixpacket"},
}

// systemdListen makes the transports of a socket unit.
func systemdListen(s *server, socket *unit) {
	backlog := systemdBacklog(s, socket)
	file := fileAttributes(s, socket)
	for _, x := range socket.sections["Socket"] {
		networks, ok := listens[x.name]
		if !ok {
			continue
		}
		l := listener{address: s.specified(socket, x, x.value()), values: map[string]cty.Value{}}
		var err error
		switch {
		case strings.HasPrefix(l.address, "/"), strings.HasPrefix(l.address, "@"):
			l.network = networks[1]
			for name, v := range file {
				l.values[name] = v
			}
		case strings.HasPrefix(l.address, "vsock:") && x.name == "ListenStream":
			l.network = "vsock"
			l.address, err = vsockAddress(strings.TrimPrefix(l.address, "vsock:"))
		case networks[0] == "":
			err = errors.New("there are addresses of Unix sockets for it")
		default:
			l.network = networks[0]
			l.address, err = systemdAddress(l.address, socket.is("Socket", "BindIPv6Only", "ipv6-only"))
		}
		if err != nil {
			s.refuse(x, err.Error())
			continue
		}
		if l.network == "tcp" {
			if socket.yes("Socket", "NoDelay") {
				l.values["no_delay"] = cty.True
			}
			if socket.yes("Socket", "ReusePort") {
				l.values["reuse_port"] = cty.True
			}
		}
		if backlog != cty.NilVal && x.name != "ListenDatagram" {
			l.values["request_queue_size"] = backlog
		}
		s.listen(x, l)
	}
}

// systemdBacklog returns the number of connections that wait, if there is one.
func systemdBacklog(s *server, socket *unit) cty.Value {
	x := socket.last("Socket", "Backlog")
	n, err := strconv.ParseUint(x.value(), 10, 32)
	switch {
	case x.words == nil:
		return cty.NilVal
	case err != nil:
		s.lose(x, "it is not a number")
		return cty.NilVal
	}
	most := max(1, min(n, 65535))
	if most != n {
		s.differ(x, "request_queue_size is from 1 to 65535")
	}
	return cty.NumberUIntVal(most)
}

// fileAttributes returns the attributes of the files of Unix sockets.
func fileAttributes(s *server, socket *unit) map[string]cty.Value {
	all := map[string]cty.Value{"mode": cty.StringVal("0666")} // systemd's default
	for name, to := range map[string]string{"SocketMode": "mode", "SocketUser": "owner", "SocketGroup": "group"} {
		x := socket.last("Socket", name)
		if x.words == nil {
			continue
		}
		v, err := asText([]string{s.specified(socket, x, x.value())})
		if err != nil {
			s.refuse(x, err.Error())
			continue
		}
		all[to] = v
	}
	return all
}

// vsockAddress returns CID:port of what systemd has behind vsock:, where no identifier is any.
func vsockAddress(address string) (string, error) {
	cid, port, _ := strings.Cut(address, ":")
	if cid == "" {
		cid = strconv.Itoa(vsock.Any)
	}
	_, err := strconv.ParseUint(cid, 10, 32)
	at, failed := vsock.ParseAddr(cid + ":" + port)
	if err != nil || failed != nil {
		return "", errors.New("an address of VSOCK has an identifier, or none, and a port, both numbers")
	}
	return at.String(), nil
}

// systemdAddress returns host:port of what a Listen setting has.
func systemdAddress(address string, only6 bool) (string, error) {
	if port, err := strconv.ParseUint(address, 10, 16); err == nil && port > 0 {
		if only6 {
			return "[::]:" + address, nil
		}
		return ":" + address, nil
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil || at.Port() == 0 {
		return "", errors.New("there are addresses of IPv4, IPv6, Unix sockets and, for ListenStream=, VSOCK")
	}
	if at.Addr() == netip.IPv6Unspecified() && !only6 {
		return net.JoinHostPort("", strconv.Itoa(int(at.Port()))), nil
	}
	return at.String(), nil
}
