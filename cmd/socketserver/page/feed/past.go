package feed

import (
	"math"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

// A past is what the counts of a server were.
type past struct {
	moments []moment // of the last second
	seconds []moment // of the last ten seconds
	rates   []float64
}

type moment struct {
	at time.Time
	supervisor.Counts
}

// minute is the number of rates that are kept, one for each second.
const minute = 60

// add adds the counts of now.
func (p *past) add(now time.Time, n supervisor.Counts) {
	m := moment{now, n}
	p.moments = append(p.moments, m)
	for len(p.moments) > 2 && now.Sub(p.moments[1].at) >= time.Second {
		p.moments = p.moments[1:]
	}
	if len(p.seconds) > 0 && now.Sub(p.seconds[len(p.seconds)-1].at) < time.Second {
		return
	}
	if len(p.seconds) > 0 {
		rate, _, _, _ := p.figures()
		p.rates = append(p.rates, rate)
		p.rates = p.rates[max(0, len(p.rates)-minute):]
	}
	p.seconds = append(p.seconds, m)
	p.seconds = p.seconds[max(0, len(p.seconds)-10):]
}

// figures returns the requests of the last second, the quantiles of the last ten seconds in
// milliseconds, and the events of the last second.
func (p *past) figures() (rate, p50, p99 float64, events int) {
	first, last := p.moments[0], p.moments[len(p.moments)-1]
	took := last.at.Sub(first.at).Seconds()
	if took <= 0 {
		return 0, 0, 0, 0
	}
	rate = math.Round(10*float64(last.Accepted-first.Accepted)/took) / 10
	// A request is accepted, started and ended, and what it was sent is written.
	count := func(m moment) (n int64) {
		n = m.Accepted + m.Accepted - m.Waiting + m.WorkerStarts + m.WorkerDeaths
		for _, ended := range m.Ended {
			n += 2 * ended
		}
		return n
	}
	events = int(math.Round(float64(count(last)-count(first)) / max(took, 1)))
	var in [supervisor.DurationBuckets + 1]int64
	for i := range in {
		in[i] = last.Durations[i] - p.seconds[0].Durations[i]
	}
	return rate, quantile(in, .5), quantile(in, .99), events
}

// quantile returns that of the durations in buckets, in milliseconds. Within a bucket, which ends at
// twice its beginning, they are taken as spread evenly over the logarithm.
func quantile(in [supervisor.DurationBuckets + 1]int64, q float64) float64 {
	var all int64
	for _, n := range in {
		all += n
	}
	rank, below := q*float64(all), int64(0)
	for i, n := range in {
		if n > 0 && float64(below+n) >= rank {
			part := (rank - float64(below)) / float64(n)
			us := math.Exp2(float64(i) - 1 + part)
			return math.Round(us) / 1000
		}
		below += n
	}
	return 0
}

// shown is the number of events of a server in a second beyond which they are sampled.
const shown = 500

// sampleOf returns the sample for so many events in a second. It is a power of two, so that what is in
// one is in a larger one, too.
func sampleOf(events int) int {
	n := 1
	for events > n*shown {
		n *= 2
	}
	return n
}
