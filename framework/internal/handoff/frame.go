// Package handoff is descriptor 3: the channel between a server and one worker process.
// A frame is one message, sent by one sendmsg(2), with at most one descriptor.
package handoff

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Kind says what a frame is.
type Kind byte

// The server sends Configure first, then requests. The worker sends Hello first, then
// one Outcome for each request.
const (
	Hello     Kind = iota + 1 // worker: what it is; Body is JSON
	Configure                 // server: what to be; Body is JSON
	Stream                    // server: a connection, with its descriptor
	Datagram                  // server: a datagram; Body is its bytes
	Cancel                    // server: the context of request ID is to be cancelled
	Outcome                   // worker: request ID is over; Text says why it failed, Body is a datagram's answer
	Taken                     // worker: the stream ID has arrived; only where the server wants to know
	Listen                    // server: a socket to serve, with its descriptor; Body is JSON
	Quit                      // worker: a handler of the socket ID asks the server to stop
)

// Status is how a request ended.
type Status byte

// What an Outcome says.
const (
	OK       Status = iota
	Failed          // the handler returned an error
	Panicked        // Text is the value, a newline and the stack
	PeerGone        // the client left early
	TimedOut        // a timeout of the server passed
)

// Flags of a frame.
const (
	Last  byte = 1 << iota // request: the worker gets no other one
	Stop                   // outcome: the handler asks the server to stop
	Tell                   // stream: the server wants to know that it has arrived
	Nagle                  // stream: Nagle's algorithm is on
)

// MaxFrame is the largest frame in bytes, what the system's default send buffer takes.
const MaxFrame = 160 << 10

// MaxText bounds Text in bytes; what is longer is cut.
const MaxText = 32 << 10

// A Frame is one message. Which fields are used depends on Kind.
type Frame struct {
	Kind   Kind
	Flags  byte
	Status Status
	ID     uint64

	Network, Client, Local  string // of a request; addresses as text
	ReadBuffer, WriteBuffer int32  // of a stream, in bytes; WriteBuffer less than 0: none, 0: the handler's
	KeepAlive               int32  // of a stream, in milliseconds; less than 0: none, 0: 15 s

	Text string
	Body []byte
}

const headerSize = 12

// Append appends the wire form of f to b. All numbers are big-endian:
//
//	0   kind, flags, status, 0
//	4   id, 8 bytes
//	12  Stream, Datagram: read buffer, write buffer and keep-alive, 4 bytes each; network,
//	    client and local, each a length of 2 bytes and its bytes
//	    Outcome: text, a length of 4 bytes and its bytes
//	..  body, to the end
func (f *Frame) Append(b []byte) []byte {
	b = append(b, byte(f.Kind), f.Flags, byte(f.Status), 0)
	b = binary.BigEndian.AppendUint64(b, f.ID)
	switch f.Kind {
	case Stream, Datagram:
		b = binary.BigEndian.AppendUint32(b, uint32(f.ReadBuffer))
		b = binary.BigEndian.AppendUint32(b, uint32(f.WriteBuffer))
		b = binary.BigEndian.AppendUint32(b, uint32(f.KeepAlive))
		for _, s := range []string{f.Network, f.Client, f.Local} {
			b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
			b = append(b, s...)
		}
	case Outcome:
		text := f.Text[:min(len(f.Text), MaxText)]
		b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	return append(b, f.Body...)
}

var errShort = errors.New("frame is shorter than it says")

// Parse reads a frame. Body shares the memory of b.
func Parse(b []byte) (Frame, error) {
	if len(b) < headerSize {
		return Frame{}, errShort
	}
	f := Frame{Kind: Kind(b[0]), Flags: b[1], Status: Status(b[2]), ID: binary.BigEndian.Uint64(b[4:])}
	if b[3] != 0 {
		return Frame{}, errors.New("frame has its fourth byte set")
	}
	b = b[headerSize:]
	switch f.Kind {
	case Stream, Datagram:
		if len(b) < 12 {
			return Frame{}, errShort
		}
		for i, n := range []*int32{&f.ReadBuffer, &f.WriteBuffer, &f.KeepAlive} {
			*n = int32(binary.BigEndian.Uint32(b[4*i:]))
		}
		b = b[12:]
		for _, s := range []*string{&f.Network, &f.Client, &f.Local} {
			if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
				return Frame{}, errShort
			}
			n := int(binary.BigEndian.Uint16(b))
			*s, b = string(b[2:2+n]), b[2+n:]
		}
	case Outcome:
		if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
			return Frame{}, errShort
		}
		n := int(binary.BigEndian.Uint32(b))
		if n > MaxText || f.Status > TimedOut {
			return Frame{}, fmt.Errorf("outcome with a text of %d bytes and status %d", n, f.Status)
		}
		f.Text, b = string(b[4:4+n]), b[4+n:]
	case Hello, Configure, Cancel, Taken, Listen, Quit:
	default:
		return Frame{}, fmt.Errorf("frame of unknown kind %d", f.Kind)
	}
	f.Body = b
	return f, nil
}
