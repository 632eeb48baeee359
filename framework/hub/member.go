package hub

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/framework"
)

// ErrSlow is why a member was cut off that does not read what it is sent. It wraps
// [os.ErrDeadlineExceeded].
var ErrSlow = fmt.Errorf("hub: the client does not read what it is sent: %w", os.ErrDeadlineExceeded)

const (
	defaultQueue      = 256      // messages
	defaultQueueBytes = 96 << 10 // bytes
	maxPiece          = 16 << 10 // bytes that one write timeout is for
)

// A Member is a client that others send to. What its socket does not take at once waits in its
// queue; senders never block. Only then does a member have a goroutine.
//
// It writes beside the handler, in order with wfile, and within the write timeout: a client that
// takes nothing for that long is cut off. The fields are set before the first message.
type Member struct {
	// Queue is the number of messages that may wait for the client; 0 means 256.
	Queue int
	// QueueBytes is the number of bytes that may wait behind the message that is being written,
	// which may be of any size; 0 means 96 KiB. The bound that is reached first counts.
	QueueBytes int
	// Disconnect cuts off a client with a full queue. Otherwise messages are dropped until the
	// client has read all that waits.
	Disconnect bool
	// Missed returns the notice to the client that n messages were dropped; nil: none. It must
	// not use the member.
	Missed func(n int) []byte

	request *framework.Request
	wfile   io.Writer

	mu      sync.Mutex
	err     error         // why the client was cut off
	cutOff  chan struct{} // closed then
	closed  bool          // it gets nothing more
	waiting []byte        // what its socket has not taken
	ends    []int         // of the messages in waiting
	missed  int           // messages that were dropped since the last notice
	writing chan struct{} // closed when the goroutine has left; nil: there is none
}

// NewMember makes a member of a request that is being handled, with its wfile. The handler
// closes it before Finish returns. NewMember panics if the request is a datagram, as nothing can
// be sent to its client later.
func NewMember(r *framework.Request, wfile io.Writer) *Member {
	if r.IsDatagram() {
		panic("hub: the client of a datagram cannot be a member; embed StreamRequestHandler")
	}
	return &Member{request: r, wfile: wfile, cutOff: make(chan struct{})}
}

// Send sends a message to this member. It does not keep message and does not wait.
func (m *Member) Send(message []byte) {
	m.deliver(message, []int{len(message)})
}

// Err returns why the member was cut off: [ErrSlow], the error of a write, or the argument of
// [Member.Cut]; nil while it is connected. Reads of rfile end after it, as at the client's end,
// and Err tells the handler which it was.
func (m *Member) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Done returns a channel that is closed when the member is cut off, for a handler that waits for
// something else than its client. In one that reads, reads end.
func (m *Member) Done() <-chan struct{} {
	return m.cutOff
}

// Cut ends the reads of the member's handler, which is to return. What waits for the client
// is dropped.
func (m *Member) Cut(why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut(why)
}

func (m *Member) cut(why error) {
	if m.err != nil || m.closed {
		return
	}
	m.err = why
	m.waiting, m.ends = nil, nil
	close(m.cutOff)
	m.request.CloseRead() // or the next read would replace the deadline
	_ = m.request.Conn().SetDeadline(time.Unix(1, 0))
}

// Close waits until the client has taken what waits for it, unless it was cut off. Nothing is
// sent to it after that.
func (m *Member) Close() {
	m.mu.Lock()
	m.closed = true
	writing := m.writing
	m.mu.Unlock()
	if writing != nil {
		<-writing
	}
}

// deliver sends messages with these ends. It keeps neither.
func (m *Member) deliver(messages []byte, ends []int) {
	if len(ends) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.err != nil {
		return
	}
	if m.writing != nil {
		m.enqueue(messages, 0, ends)
		return
	}
	n, err := m.request.TryWrite(messages)
	switch {
	case err != nil:
		m.cut(err)
	case n < len(messages):
		m.enqueue(messages, n, ends)
		m.writing = make(chan struct{})
		go m.write(m.writing)
	}
}

// enqueue keeps what is left of the messages after the first sent bytes. One that has been
// begun always fits: the queue is empty then.
func (m *Member) enqueue(messages []byte, sent int, ends []int) {
	start := 0
	for _, end := range ends {
		rest := messages[max(start, sent):max(end, sent)]
		start = end
		switch {
		case len(rest) == 0:
		case m.missed == 0 && m.fits(len(rest)):
			m.waiting = append(m.waiting, rest...)
			m.ends = append(m.ends, len(m.waiting))
		case m.Disconnect:
			m.cut(ErrSlow)
			return
		default:
			m.missed++
		}
	}
}

// fits reports whether the queue has room for a message of that many bytes.
func (m *Member) fits(size int) bool {
	if len(m.ends) == 0 {
		return true
	}
	return len(m.ends) < cmp.Or(m.Queue, defaultQueue) &&
		len(m.waiting)-m.ends[0]+size <= cmp.Or(m.QueueBytes, defaultQueueBytes)
}

// write writes what waits until nothing does.
func (m *Member) write(left chan struct{}) {
	defer close(left)
	for {
		piece := m.nextPiece()
		if piece == nil {
			return
		}
		_, err := m.wfile.Write(piece)
		if !m.wrote(len(piece), err) {
			return
		}
	}
}

// nextPiece returns what to write next. It stays in the queue, whose bytes are not changed
// before it is written.
func (m *Member) nextPiece() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waiting) == 0 && m.missed > 0 && m.err == nil {
		if m.Missed != nil {
			m.waiting = append(m.waiting, m.Missed(m.missed)...)
			m.ends = append(m.ends, len(m.waiting))
		}
		m.missed = 0
	}
	if len(m.waiting) == 0 {
		m.waiting, m.ends, m.writing = nil, nil, nil
		return nil
	}
	return m.waiting[:min(len(m.waiting), maxPiece)]
}

// wrote takes what was written out of the queue, and reports whether to go on.
func (m *Member) wrote(n int, err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.cut(err)
	}
	if err != nil || m.err != nil {
		m.waiting, m.ends, m.writing = nil, nil, nil
		return false
	}
	m.waiting = m.waiting[n:]
	gone := 0
	for _, end := range m.ends {
		if end <= n {
			gone++
		}
	}
	m.ends = m.ends[gone:]
	for i := range m.ends {
		m.ends[i] -= n
	}
	return true
}
