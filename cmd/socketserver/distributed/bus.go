package distributed

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/go-socketserver/socketserver/framework"
)

// A bus carries requests that are one message, a datagram or a line, to the subject of a worker, and the answer back:
//
//	front    a hello, as in a tunnel, and what the client has sent
//	worker   full or unknown: it has not begun, and another worker is asked; or over, the outcome and the answer;
//	         or unsent, where NATS does not take those
//
// An empty message asks whether the worker is there; where it is not NATS says so at once. With the header Socketserver-Look it
// asks for a request, too, and the worker answers unknown where it has that no more: what it has sent may be lost, as NATS
// delivers a message once or never. The header Socketserver-Stop says that the front of a request stops, also of one in a tunnel.
type bus struct {
	conn   *nats.Conn
	prefix string
}

// subject is that of a worker.
func (b bus) subject(worker string) string { return b.prefix + "worker." + worker }

const (
	unsent     = 'X'
	stopHeader = "Socketserver-Stop"
	lookHeader = "Socketserver-Look"
	lookAgain  = 250 * time.Millisecond // whether a worker has a request still
	answerTime = 5 * time.Second        // that an answer waits for NATS, when its front has given up
)

// A message is the front's handler of one.
type message struct {
	framework.BaseRequestHandler
	strategy *Strategy
}

// Handle reads the message, has a worker answer it, and writes the answer.
func (m *message) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	read := rfile.ReadBytes
	if m.IsDatagram() {
		read = func(byte) ([]byte, error) { return io.ReadAll(rfile) }
	}
	sent, err := read('\n')
	if err != nil && (len(sent) == 0 || !errors.Is(err, io.EOF)) {
		return err
	}
	reply, err := m.ask(sent)
	if (errors.Is(err, framework.ErrWorkerGone) || errors.Is(err, errNoAnswer)) && !m.IsDatagram() {
		reset(m.Request)
	}
	if err != nil {
		return err
	}
	answer, failed := m.Conclude(reply)
	if len(answer) > 0 {
		_, err = wfile.Write(answer)
	}
	if failed != nil {
		return failed
	}
	return err
}

// ask returns the outcome and the answer of a worker.
func (m *message) ask(sent []byte) (reply []byte, err error) {
	f, h := m.strategy.Front, m.strategy.hello(m.Request)
	f.mu.Lock()
	by := f.bus
	f.mu.Unlock()
	if by.conn == nil || !by.conn.IsConnected() {
		return nil, errNoBus
	}
	var whole bytes.Buffer
	if err := h.send(&whole); err != nil {
		return nil, err
	}
	whole.Write(sent)
	if most := by.conn.MaxPayload(); int64(whole.Len()) > most {
		return nil, fmt.Errorf("the request has %d bytes with the description of its client, and NATS takes %d", whole.Len(), most)
	}
	// The server's end of the wait for a worker does not end what one has begun.
	begun, end := context.WithCancelCause(context.WithoutCancel(m.Context()))
	defer end(nil)
	if request := m.Timeouts().Request; request > 0 {
		var cancel context.CancelFunc
		begun, cancel = context.WithTimeoutCause(begun, request, fmt.Errorf("timeouts.request of %s has passed: %w", request, os.ErrDeadlineExceeded))
		defer cancel()
	}
	release, err := f.place(m.Context(), h, func(w *remote) (taken bool, err error) {
		m.Started(0, func() { end(net.ErrClosed) })
		reply, taken, err = by.ask(begun, end, w, h.ID, whole.Bytes())
		return taken, err
	})
	if err != nil {
		return nil, err
	}
	release()
	return reply, nil
}

var errNoBus = &framework.UnavailableError{Err: errors.New("NATS, by which requests get to workers, cannot be reached")}

// errNoAnswer is the error of a request that a worker may have served.
var errNoAnswer = errors.New("the answer is lost")

// ask has one worker answer. It ends with ctx, by what ctx was ended with, and by end where the worker or the answer is lost.
func (b bus) ask(ctx context.Context, end context.CancelCauseFunc, w *remote, id string, whole []byte) (reply []byte, taken bool, err error) {
	over := make(chan struct{})
	defer close(over)
	look := time.AfterFunc(lookAgain, func() { b.watch(over, w, id, end) })
	defer look.Stop()
	answer, err := b.conn.RequestWithContext(ctx, b.subject(w.fingerprint), whole)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, false, err
	case errors.Is(err, nats.ErrReconnectBufExceeded): // it was lost a moment ago
		return nil, true, errNoBus
	case ctx.Err() != nil && err != nil:
		return nil, true, context.Cause(ctx)
	case err != nil:
		return nil, true, err
	case len(answer.Data) == 0:
		return nil, true, errors.New("the worker has answered nothing")
	}
	switch answer.Data[0] {
	case full:
		return nil, false, errFull
	case unknown:
		return nil, false, errUnknown
	case unsent:
		return nil, true, fmt.Errorf("NATS takes %d bytes, and the answer with its outcome has more", b.conn.MaxPayload())
	}
	return answer.Data[1:], true, nil
}

// watch looks until over whether a worker has a request still. A worker that knows no such look answers as if it had.
func (b bus) watch(over <-chan struct{}, w *remote, id string, lose context.CancelCauseFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-over
		cancel()
	}()
	for {
		within, cancel := context.WithTimeout(ctx, lookAgain)
		m, err := b.conn.RequestMsgWithContext(within, &nats.Msg{Subject: b.subject(w.fingerprint), Header: nats.Header{lookHeader: {id}}})
		<-within.Done() // an answer that was sent before comes first
		cancel()
		switch {
		case !b.conn.IsConnected():
			lose(fmt.Errorf("%w, as NATS has gone", errNoAnswer))
		case errors.Is(err, nats.ErrNoResponders):
			lose(lost(w.address))
		case err == nil && bytes.Equal(m.Data, []byte{unknown}):
			lose(fmt.Errorf("%w: the worker on %s has the request no more, and nothing has come of it", errNoAnswer, w.address))
		}
		select {
		case <-over:
			return
		case <-w.gone: // a machine that has vanished answers nothing
			lose(lost(w.address))
			return
		default:
		}
	}
}

// take serves what a front has sent.
func (w *Worker) take(by bus, m *nats.Msg) {
	if id := m.Header.Get(stopHeader); id != "" {
		w.stop(id)
		return
	}
	if m.Reply == "" { // nobody could be answered, and so it is from no front
		return
	}
	if len(m.Data) == 0 { // an answer that is lost is asked for again
		var has []byte
		if id := m.Header.Get(lookHeader); id != "" {
			if _, held := w.held.Load(id); !held {
				has = []byte{unknown}
			}
		}
		_ = m.Respond(has)
		return
	}
	sent := bytes.NewReader(m.Data)
	h, err := receiveHello(sent)
	if err != nil {
		by.respond(m, unknown)
		return
	}
	a := &answer{Reader: sent, most: by.conn.MaxPayload() * 15 / 16} // the rest is for the outcome
	r := a.request(&h)
	t, refusal := w.reserve(h, r)
	if t == nil {
		by.respond(m, refusal)
		return
	}
	w.held.Store(h.ID, nil)
	conclude := func(kind byte, text ...[]byte) {
		t.leave(r) // first: the front may have the slot taken again on receipt of the answer
		by.respond(m, kind, text...)
		w.held.Delete(h.ID)
	}
	r.WhenOver(func(outcome []byte) { conclude(over, outcome, a.all()) })
	go func() {
		if !t.pass(r) {
			conclude(unknown)
		}
	}()
}

// respond sends what has become of a request, again where NATS does not take it while its connection moves.
func (b bus) respond(m *nats.Msg, kind byte, text ...[]byte) {
	answer := slices.Concat([]byte{kind}, slices.Concat(text...))
	send := func() error {
		err := m.Respond(answer)
		if errors.Is(err, nats.ErrMaxPayload) {
			answer = []byte{unsent}
			err = m.Respond(answer)
		}
		return err
	}
	if send() == nil {
		return
	}
	moved := b.conn.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer b.conn.RemoveStatusListener(moved)
	late := time.After(answerTime)
	for send() != nil && !b.conn.IsClosed() {
		select {
		case <-moved:
		case <-late:
			return
		}
	}
}

// An answer is the connection of a client that is not here: it has sent one line, and the answer is kept.
type answer struct {
	io.Reader
	most int64

	mu   sync.Mutex
	text []byte
}

// request makes the request that a is the answer to.
func (a *answer) request(h *hello) *framework.Request {
	if !h.Datagram {
		return h.complete(framework.NewStreamRequest(h.Network, a))
	}
	text, _ := io.ReadAll(a.Reader) // of memory
	return h.complete(framework.NewDatagramRequest(h.Network, text, nil, nil, func(p []byte) error {
		_, err := a.Write(p)
		return err
	}))
}

// all returns the answer when the request is over.
func (a *answer) all() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text
}

// Write implements [net.Conn].
func (a *answer) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if int64(len(a.text)+len(p)) > a.most {
		return 0, fmt.Errorf("the answer has more than the %d bytes that go by NATS", a.most)
	}
	a.text = append(a.text, p...)
	return len(p), nil
}

// The other methods of [net.Conn] have nothing to do.

func (*answer) Close() error                     { return nil }
func (*answer) LocalAddr() net.Addr              { return nil }
func (*answer) RemoteAddr() net.Addr             { return nil }
func (*answer) SetDeadline(time.Time) error      { return nil }
func (*answer) SetReadDeadline(time.Time) error  { return nil }
func (*answer) SetWriteDeadline(time.Time) error { return nil }
