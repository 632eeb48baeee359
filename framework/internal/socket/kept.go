package socket

import (
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// A Kept is an open socket that outlives those that use it: each has a descriptor of its own.
// It is not shut down before Close, so that a client that connects between two users waits.
type Kept struct {
	network string
	options Options
	address net.Addr
	file    *UnixFile

	mu         sync.Mutex
	original   io.Closer           // a net.Listener or a PacketConn, for the first user; nil: it has it
	descriptor *handoff.Descriptor // nil: this system cannot duplicate one

	owning sync.Mutex // held by what the owner alone does
	theirs bool       // another process has it, too, and owns it
}

// Keep opens a socket.
func Keep(network, address string, o Options) (*Kept, error) {
	k := &Kept{network: network, options: o}
	switch of := networks[network]; {
	case of.listen != nil:
		l, err := listenFixed(network, address, &o)
		if err != nil {
			return nil, err
		}
		k.address, k.original = l.Addr(), l
	case of.packets != nil:
		c, err := ListenPacket(network, address, &o)
		if err != nil {
			return nil, err
		}
		k.address, k.original = c.LocalAddr(), c
	default:
		return nil, errNoNetwork(network)
	}
	switch o := k.original.(type) { // the file stays when the first user closes
	case *unixListener:
		k.file, o.file = o.file, nil
	case unixgram:
		k.file, k.original = o.file, unixgram{o.UnixConn, nil}
	}
	return k.keep()
}

// listenFixed listens as [Listen] does. A port that the system has chosen is bound by its number, as
// the system would choose another one when a suspended socket listens again.
func listenFixed(network, address string, o *Options) (net.Listener, error) {
	const attempts = 20 // as another process may take the port
	for attempt := 1; ; attempt++ {
		l, err := Listen(network, address, o)
		if err != nil {
			return nil, err
		}
		found := l.Addr().String()
		if tcp, ok := l.Addr().(*net.TCPAddr); !ok || strings.HasSuffix(address, ":"+strconv.Itoa(tcp.Port)) {
			return l, nil
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
		l, err = Listen(network, found, o)
		if err == nil || attempt == attempts || !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
	}
}

// keep duplicates the original for the users after the first one. On an error it closes it.
func (k *Kept) keep() (*Kept, error) {
	var err error
	k.descriptor, err = handoff.Duplicate(k.original.(syscall.Conn))
	if err != nil && !errors.Is(err, handoff.ErrUnsupported) {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// Addr returns the address, with the real port.
func (k *Kept) Addr() net.Addr { return k.address }

// Stream returns a Stream of the socket of connections, nil if it has datagrams.
func (k *Kept) Stream() *Stream {
	if networks[k.network].listen == nil {
		return nil
	}
	return NewStream(k.network, &k.options, k.listener)
}

// Packets returns Packets of the socket of datagrams.
func (k *Kept) Packets() *Packets { return NewPackets(k.network, &k.options, k.packetConn) }

func (k *Kept) listener() (net.Listener, error) {
	if l, ok := k.take().(net.Listener); ok {
		return l, nil
	}
	d, err := k.duplicate()
	if err != nil {
		return nil, err
	}
	return inherit(k.network, d.File(), k.options.TCP())
}

func (k *Kept) packetConn() (PacketConn, error) {
	if c, ok := k.take().(PacketConn); ok {
		return c, nil
	}
	d, err := k.duplicate()
	if err != nil {
		return nil, err
	}
	return inheritPackets(d.File())
}

// take returns the original, once: it costs less than a duplicate, whose connections need
// their options set one by one.
func (k *Kept) take() io.Closer {
	k.mu.Lock()
	defer k.mu.Unlock()
	original := k.original
	k.original = nil
	return original
}

func (k *Kept) duplicate() (*handoff.Descriptor, error) {
	if k.descriptor == nil {
		return nil, handoff.ErrUnsupported
	}
	return handoff.Duplicate(k.descriptor)
}

// Close frees the address, when the last user has closed, and removes the file. A service manager that
// has the socket, too, finds it resumed; another process that owns it finds it as it was.
func (k *Kept) Close() error {
	var errs []error
	if k.descriptor != nil {
		errs = append(errs, k.Resume())
	}
	errs = append(errs, k.file.Remove())
	if original := k.take(); original != nil {
		errs = append(errs, original.Close())
	}
	if k.descriptor != nil {
		errs = append(errs, k.descriptor.Close())
	}
	return errors.Join(errs...)
}
