package limits

import (
	"net"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// LogRefused logs that a client was refused, for each reason once a second.
func (l *Limiter) LogRefused(log hclog.Logger, client net.Addr, why string) {
	limiter, known := l.refused.Load(why)
	if !known {
		limiter, _ = l.refused.LoadOrStore(why, new(ratelog.Limiter))
	}
	more, ok := limiter.(*ratelog.Limiter).Allow(1)
	if !ok {
		return
	}
	from := conn.AddressText(client)
	if why == Access {
		log.Warn("client refused: access does not let it in", ratelog.More(more, "client", from)...)
		return
	}
	value, raise := l.Bounds().value(why)
	log.Warn("client refused: limit reached", ratelog.More(more, "client", from, "limit", why, "value", value, "next", "raise limits."+raise)...)
}

// value returns the value of a limit, and the limit to be raised if that is too low.
func (b *Bounds) value(why string) (value any, raise string) {
	switch why {
	case Rate:
		return b.Rate.String(), why
	case RatePerSource:
		return b.RatePerSource.String(), why
	case PerSource:
		if most := b.perSource(); most != b.PerSource {
			return most, Connections // which lowers it
		}
		return b.PerSource, why
	}
	return b.Connections, why
}
