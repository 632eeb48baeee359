package framework

import (
	"net"
	"os"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/socket"
)

// A Socket is an open listening or datagram socket. It outlives its servers: each has a transport
// of its own, and two may serve at once, so that one can start before the other one retires and no
// client finds the address closed.
type Socket struct{ kept *socket.Kept }

// OpenSocket opens a socket of the network tcp or udp, at host:port, unix, unixpacket or unixgram, at a
// path, or vsock, at CID:port.
func OpenSocket(network, address string, o SocketOptions) (*Socket, error) {
	kept, err := socket.Keep(network, address, socket.Options(o))
	if err != nil {
		return nil, err
	}
	return &Socket{kept}, nil
}

// CheckSocket returns the error that OpenSocket would return for the address, such as that of a
// directory that does not exist, without opening anything. An address in use is no error.
func CheckSocket(network, address string, o SocketOptions) error {
	return socket.Check(network, address, (*socket.Options)(&o))
}

// InheritSocket makes a Socket of one that another process has opened, such as a service manager
// or the server before this one. file has its descriptor, which the caller closes. The options
// that count when a socket is bound, and Mode, are the other process's.
func InheritSocket(network string, file *os.File, o SocketOptions) (*Socket, error) {
	kept, err := socket.KeepInherited(network, file, socket.Options(o))
	if err != nil {
		return nil, err
	}
	return &Socket{kept}, nil
}

// Files returns descriptors with which another process can inherit the socket; the caller closes
// them. lock is of the lock beside the file of a Unix socket; nil: there is none.
func (k *Socket) Files() (socket, lock *os.File, err error) { return k.kept.Files() }

// Disown leaves the socket to the process that has inherited it: Suspend, Resume and Close do nothing
// any more to what both have, such as the file of a Unix socket. A process that may fail disowns what it
// has inherited, until the other process has disowned it.
func (k *Socket) Disown() error { return k.kept.Disown() }

// Own takes over an inherited socket, which its process has disowned. lock is that of the file of a Unix
// socket, which Close removes from then on; nil: there is none, or the file is another's. The socket owns
// lock.
func (k *Socket) Own(lock *os.File) { k.kept.Own(lock) }

// Addr returns the address of the socket, with the real port.
func (k *Socket) Addr() net.Addr { return k.kept.Addr() }

// Transport returns a transport for one server. Outside Linux there is only one.
func (k *Socket) Transport() Transport {
	if stream := k.kept.Stream(); stream != nil {
		return streamTransport{stream}
	}
	return packetTransport{k.kept.Packets()}
}

// Suspend has the system refuse clients of the socket, whatever process serves it, until Resume: those
// of tcp are refused, those of unix find no file, and datagrams are dropped. Clients that wait in the
// backlog of tcp are refused, too. The address stays taken, and requests in flight go on. A process that
// inherits the socket finds it suspended. It needs Linux.
func (k *Socket) Suspend() error { return k.kept.Suspend() }

// Resume has the socket take clients again, at the same address, whatever process has suspended it.
func (k *Socket) Resume() error { return k.kept.Resume() }

// Waiting returns the number of clients that the system has connected and no server has accepted, and
// how many these can be. Both are 0 unless it is a listening socket of tcp on Linux.
func (k *Socket) Waiting() (waiting, backlog int) { return k.kept.Waiting() }

// Close removes the file of a Unix socket, and frees the address when the last server has closed.
func (k *Socket) Close() error { return k.kept.Close() }

// SocketOptions are those of a transport's socket; each is for the networks named beside it. The zero
// value is the default. The keys of JSON are a worker's, see plugin/PROTOCOL.md.
type SocketOptions struct {
	// RequestQueueSize is the system's backlog of connections, bounded by net.core.somaxconn; 0
	// means 128. It is not a limit on clients. (tcp, unix, unixpacket, vsock)
	RequestQueueSize int `json:"request_queue_size,omitempty"`
	// RefuseReuseAddress unsets SO_REUSEADDR, so that an address in TIME_WAIT cannot be bound.
	// socketserver's allow_reuse_address is false by default; here it is as if true. (tcp)
	RefuseReuseAddress bool `json:"refuse_reuse_address,omitempty"`
	// ReusePort sets SO_REUSEPORT. (tcp, udp)
	ReusePort bool `json:"reuse_port,omitempty"`
	// IPv6Only keeps a wildcard address from taking IPv4 clients too. (tcp, udp)
	IPv6Only bool `json:"ipv6_only,omitempty"`
	// Nagle leaves Nagle's algorithm on, which socketserver does by default. (tcp)
	Nagle bool `json:"nagle"`
	// KeepAlive is how long a client is silent before it is probed; one that has gone is
	// found out after as long again. 0 means 15 s, less than 0 that nobody is probed. (tcp)
	KeepAlive time.Duration `json:"keep_alive"`
	// MaxPacketSize is the largest datagram that is taken, in bytes; 0 means 8192. A larger one is
	// dropped and counted in the log, where socketserver would cut it short. (udp, unixgram)
	MaxPacketSize int `json:"max_packet_size"`
	// Mode is the file's permission; 0 means 0600. To write is to connect. (unix, unixpacket, unixgram)
	Mode uint32 `json:"mode,omitempty"`
	// SinglePath refuses Multipath TCP, which clients may ask for where the system has it. (tcp)
	SinglePath bool `json:"single_path,omitempty"`
}
