package limits

import (
	"net"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// equalAnswers is how often equal datagrams that come from one address and port are answered. Two servers
// that do not know each other, one of which was sent a datagram in the name of the other, answer each other
// as fast as they can, until an answer is dropped: then none is on its way any more. An answer to a port
// that systems do not choose for a client counts as serverPortAnswers.
var equalAnswers = slots.Rate{N: 100_000, Per: 100 * time.Second}

const serverPortAnswers, firstClientPort = 10, 32768

// MayAnswer reports whether d may have an answer that is so many bytes longer than it is.
func (l *Limiter) MayAnswer(log hclog.Logger, d *conn.Datagram, longer int) bool {
	now, b := conn.Now(), l.Bounds()
	if b.Answers == 0 {
		return true
	}
	if udp, ok := d.Client.(*net.UDPAddr); ok {
		from, n := udp.AddrPort(), 1
		if from.Port() < firstClientPort {
			n = serverPortAnswers
		}
		if !l.equal.AllowEqual(from, d.Sum(), n, equalAnswers, now) {
			l.logDropped(log, d, "answer dropped: equal datagrams keep coming, as they do from another server", "next", `if it is a client, set limits.answers = "0"`)
			return false
		}
	}
	to := slots.KeyOf(d.Client)
	if to.IsZero() && d.Client != nil { // of a transport with addresses of its own
		to = slots.KeyOfName(d.Client.String())
	}
	if longer > 0 && !b.answers.Allow(to, longer, slots.Rate{N: b.Answers, Per: time.Second}, 0, now) {
		l.logDropped(log, d, "answer dropped: limit reached", "limit", "answers", "value", b.Answers, "next", "raise limits.answers")
		return false
	}
	return true
}

func (l *Limiter) logDropped(log hclog.Logger, d *conn.Datagram, message string, fields ...any) {
	if more, ok := l.dropped.Allow(1); ok {
		fields = append([]any{"client", conn.AddressText(d.Client)}, fields...)
		log.Warn(message, ratelog.More(more, fields...)...)
	}
}
