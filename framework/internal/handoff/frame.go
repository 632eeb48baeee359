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
	Cancel                    // server: request ID is to end soon; socket ID is to take no more, with Stop its requests are to end soon
	Outcome                   // worker: request ID is over; Text says why it failed, Body is a datagram's answer
	Ack                       // worker: the descriptor of stream ID has arrived, or it takes no more of socket ID; only where the server wants to know
	Listen                    // server: a socket to serve, with its descriptor; Body is JSON
	Quit                      // worker: a handler of the socket ID asks the server to stop; 0: the worker itself does
	Event                     // worker: a request of the socket ID was accepted, refused or finished; only where the server asks
	Ping                      // server: answer with Pong; only where the worker has said that it does
	Pong                      // worker: it is alive
	Wake                      // worker: there are events in the journal
	State                     // worker: its server's state is to do what Flags say; only where hello says that it does so
	Answer                    // server: what came of State ID; with Changed: an entry of the watch ID
	Layer                     // server: layer ID is described by Body, and by the Body of the next one of it where More is set; it replaces what was said before
	Ask                       // worker: Body is a question about the layer Number, which may have its answers in the server alone
	Reply                     // server: Body is the answer to Ask ID; with Text there is none
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

	// Of an Answer alone.

	NoKey    // there is no such key
	Exists   // there is one already
	Conflict // it has another revision
)

// InHandshake is added to the status of an Outcome or Event where the client has not passed the layer.
const InHandshake Status = 1 << 4

// Flags of a frame.
const (
	Last    byte = 1 << iota // request: the worker gets no other one
	Stop                     // outcome: the handler asks the server to stop
	WantAck                  // stream, cancel of a socket: the server wants an Ack
	Nagle                    // stream: Nagle's algorithm is on
	Count                    // request: the server wants the bytes; outcome: it has them
	More                     // layer: the description goes on in the next frame
	Layered                  // stream: it passes a layer; Body is the id of that, 8 bytes
)

// What an Event is about, in its flags.
const (
	Started byte = iota + 1 // the request was accepted and runs
	Refused                 // it was refused; Text is the limit
	Ended                   // it is over; Status, Text and the counters say how
)

// What State is to do, in its flags.
const (
	Get     byte = iota + 1 // Key; the answer has the value, and in Number its revision
	Create                  // Key, value; the answer has the revision
	Update                  // Key, value, and in Number the revision to be replaced; the answer has the new one
	Delete                  // Key
	Add                     // Key, and in Number what is added to its counter; the answer has the sum
	Watch                   // Key; after its answer come its entries
	Unwatch                 // ends the watch ID; there is no answer
)

// Flags of an Answer.
const (
	Changed byte = 1 << iota // an entry of a watch: value, and in Number its revision
	Deleted                  // the entry is that the key was deleted
	Over                     // there are no more entries
)

// MaxFrame is the largest frame in bytes, what the system's default send buffer takes.
const MaxFrame = 160 << 10

// maxEventAddress bounds an address of an Event in bytes: those are kept, and of sockets of the system.
const maxEventAddress = 256

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

	In, Out  int64  // of an Outcome with Count and of an Event: bytes of the client and to it
	Request  uint64 // of an Event: a number of the worker's own, which Started and Ended have in common
	Duration int64  // of an Event: of the request, in nanoseconds

	Key    string // of State
	Number uint64 // of State, Answer and Ask
}

const headerSize = 12

// Append appends the wire form of f to b. All numbers are big-endian:
//
//	0   kind, flags, status, 0
//	4   id, 8 bytes
//	12  Stream, Datagram: read buffer, write buffer and keep-alive, 4 bytes each; network,
//	    client and local, each a length of 2 bytes and its bytes
//	    Outcome: text, a length of 4 bytes and its bytes; with Count in and out, 8 bytes each
//	    Event: request, duration, in and out, 8 bytes each; network, client, local; text
//	    State: number, 8 bytes; key, a length of 2 bytes and its bytes
//	    Answer: number, 8 bytes; text
//	    Ask: number, 8 bytes
//	    Reply: text
//	..  body, to the end
func (f *Frame) Append(b []byte) []byte {
	b = append(b, byte(f.Kind), f.Flags, byte(f.Status), 0)
	b = binary.BigEndian.AppendUint64(b, f.ID)
	switch f.Kind {
	case Stream, Datagram:
		b = binary.BigEndian.AppendUint32(b, uint32(f.ReadBuffer))
		b = binary.BigEndian.AppendUint32(b, uint32(f.WriteBuffer))
		b = binary.BigEndian.AppendUint32(b, uint32(f.KeepAlive))
		b = f.appendAddresses(b)
	case Outcome:
		b = f.appendText(b)
		if f.Flags&Count != 0 {
			b = binary.BigEndian.AppendUint64(b, uint64(f.In))
			b = binary.BigEndian.AppendUint64(b, uint64(f.Out))
		}
	case Event:
		for _, n := range []uint64{f.Request, uint64(f.Duration), uint64(f.In), uint64(f.Out)} {
			b = binary.BigEndian.AppendUint64(b, n)
		}
		b = f.appendText(f.appendAddresses(b))
	case State:
		b = appendWord(binary.BigEndian.AppendUint64(b, f.Number), f.Key)
	case Answer:
		b = f.appendText(binary.BigEndian.AppendUint64(b, f.Number))
	case Ask:
		b = binary.BigEndian.AppendUint64(b, f.Number)
	case Reply:
		b = f.appendText(b)
	}
	return append(b, f.Body...)
}

// Check returns the error of a frame that no process can be sent: it is too long.
func (f *Frame) Check() error { return checkSize(f.Append(nil)) }

func checkSize(frame []byte) error {
	if len(frame) > MaxFrame {
		return fmt.Errorf("frame of %d bytes is longer than %d", len(frame), MaxFrame)
	}
	return nil
}

func (f *Frame) appendAddresses(b []byte) []byte {
	for _, s := range []string{f.Network, f.Client, f.Local} {
		b = appendWord(b, s)
	}
	return b
}

func appendWord(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func (f *Frame) appendText(b []byte) []byte {
	text := f.Text[:min(len(f.Text), MaxText)]
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	return append(b, text...)
}

// Parse reads a frame. Body shares the memory of b.
func Parse(b []byte) (Frame, error) {
	if len(b) < headerSize {
		return Frame{}, errShort
	}
	f := Frame{Kind: Kind(b[0]), Flags: b[1], Status: Status(b[2]), ID: binary.BigEndian.Uint64(b[4:])}
	if b[3] != 0 {
		return Frame{}, errors.New("frame has its fourth byte set")
	}
	r := reader{rest: b[headerSize:]}
	switch f.Kind {
	case Stream, Datagram:
		for _, n := range []*int32{&f.ReadBuffer, &f.WriteBuffer, &f.KeepAlive} {
			*n = int32(r.number(4))
		}
		r.addresses(&f)
	case Outcome:
		r.text(&f)
		if f.Flags&Count != 0 {
			f.In, f.Out = int64(r.number(8)), int64(r.number(8))
		}
	case Event:
		f.Request, f.Duration, f.In, f.Out = r.number(8), int64(r.number(8)), int64(r.number(8)), int64(r.number(8))
		r.addresses(&f)
		if max(len(f.Network), len(f.Client), len(f.Local)) > maxEventAddress {
			return Frame{}, errors.New("event with an address that no socket has")
		}
		r.text(&f)
	case State:
		f.Number, f.Key = r.number(8), string(r.bytes(r.number(2)))
	case Answer:
		f.Number = r.number(8)
		r.text(&f)
	case Ask:
		f.Number = r.number(8)
	case Reply:
		r.text(&f)
	case Hello, Configure, Cancel, Ack, Listen, Quit, Ping, Pong, Wake, Layer:
	default:
		return Frame{}, fmt.Errorf("frame of unknown kind %d", f.Kind)
	}
	status, most := f.Status, TimedOut
	switch f.Kind {
	case Answer:
		most = Conflict
	case Outcome, Event:
		status &^= InHandshake
	}
	if r.err == nil && status > most {
		r.err = fmt.Errorf("frame with status %d", f.Status)
	}
	f.Body = r.rest
	return f, r.err
}

// reader takes a frame apart. After an error it returns zeros.
type reader struct {
	rest []byte
	err  error
}

var errShort = errors.New("frame is shorter than it says")

// bytes returns the next n bytes.
func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.rest, r.err = nil, errShort
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) number(size uint64) (n uint64) {
	for _, b := range r.bytes(size) {
		n = n<<8 | uint64(b)
	}
	return n
}

func (r *reader) addresses(f *Frame) {
	for _, s := range []*string{&f.Network, &f.Client, &f.Local} {
		*s = string(r.bytes(r.number(2)))
	}
}

func (r *reader) text(f *Frame) {
	n := r.number(4)
	if n > MaxText {
		r.err = fmt.Errorf("frame with a text of %d bytes", n)
	}
	f.Text = string(r.bytes(n))
}

// A RemoteError is what another process said of an error of that kind.
type RemoteError struct {
	Text string
	Kind error
}

func (e *RemoteError) Error() string { return e.Text }
func (e *RemoteError) Unwrap() error { return e.Kind }
