package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

// A script is a source whose every frame has one event.
type script struct {
	begun, ended int
	n            uint64
	lost         int // at the next frame
}

func (s *script) Begin(func(time.Time) float64) Collector { s.begun++; return s }
func (s *script) End()                                    { s.ended++ }
func (s *script) Open(string) []uint64                    { return []uint64{s.n} }
func (s *script) Rates(string) []float64                  { return []float64{1, 2} }
func (s *script) Recall() []Event                         { return []Event{{K: "born", S: "s"}} }

func (s *script) Collect() (rows []Row, events []Event, lost int) {
	s.n++
	lost, s.lost = s.lost, 0
	return []Row{{Name: "s"}}, []Event{{K: "accepted", S: "s", C: s.n}}, lost
}

// next returns the next frame of a reader.
func (r *Reader) next(t *testing.T) (f Frame) {
	t.Helper()
	m := <-r.frames
	id, rest, _ := bytes.Cut(m.text, []byte("\n"))
	require.Equal(t, "id: "+strconv.FormatUint(m.seq, 10), string(id))
	kind, data, _ := bytes.Cut(rest, []byte("\n"))
	require.Equal(t, "event: frame", string(kind))
	require.NoError(t, json.Unmarshal(bytes.TrimPrefix(data, []byte("data: ")), &f))
	require.Equal(t, m.seq, f.Seq)
	return f
}

func TestReaderHasAllFramesInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(&script{}, Period, 0)
		defer f.Close()
		r := f.Read(0)
		defer r.Close()
		first := r.next(t)
		require.Equal(t, []float64{1, 2}, first.Servers[0].Rates)
		require.Equal(t, "born", first.Events[0].K)
		require.Equal(t, []uint64{1}, first.Servers[0].Open)
		for n := range 20 {
			next := r.next(t)
			require.Equal(t, first.Seq+uint64(n)+1, next.Seq)
			require.InDelta(t, 100*float64(n+1), next.T, 1)
			require.Equal(t, uint64(n+2), next.Events[0].C)
			require.Nil(t, next.Servers[0].Open)
			require.Zero(t, next.Lost)
		}
	})
}

func TestReaderThatComesBackMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(&script{}, Period, 0)
		defer f.Close()
		r := f.Read(0)
		last := r.next(t)
		r.Close()
		time.Sleep(time.Second)
		again := f.Read(last.Seq)
		for n := range 15 {
			next := again.next(t)
			require.Equal(t, last.Seq+uint64(n)+1, next.Seq)
			require.Nil(t, next.Servers[0].Rates)
		}
		again.Close()
		stranger := f.Read(1_000_000) // of another daemon
		require.NotNil(t, stranger.next(t).Servers[0].Rates)
		stranger.Close()
	})
}

func TestSlowReaderIsToldWhatItHasMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(&script{}, Period, 0)
		defer f.Close()
		slow, quick := f.Read(0), f.Read(0)
		defer slow.Close()
		defer quick.Close()
		for range 100 {
			require.Zero(t, quick.next(t).Lost)
		}
		synctest.Wait()
		before, lost := uint64(0), 0
		for range 2 * ahead {
			next := slow.next(t)
			if next.Lost > 0 {
				require.NotNil(t, next.Servers[0].Open)
			}
			if before > 0 {
				require.Equal(t, before+1+uint64(next.Lost), next.Seq)
			}
			before, lost = next.Seq, lost+next.Lost
		}
		require.GreaterOrEqual(t, lost, 80)
	})
}

func TestEventsThatTheSourceHasLostAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		f := New(s, Period, 0)
		defer f.Close()
		r := f.Read(0)
		defer r.Close()
		r.next(t)
		f.mu.Lock()
		s.lost = 7
		f.mu.Unlock()
		next := r.next(t)
		require.Equal(t, 1, next.Lost)
		require.NotNil(t, next.Servers[0].Open)
	})
}

func TestNothingIsCollectedWhileNobodyWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		f := New(s, Period, 0)
		require.Zero(t, s.begun)
		f.Read(0).Close()
		time.Sleep(grace + time.Second)
		synctest.Wait()
		require.Equal(t, 1, s.ended)
		n := s.n
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, n, s.n)
		r := f.Read(0)
		require.Greater(t, r.next(t).Seq, n)
		r.Close()
		f.Close()
		require.Equal(t, []int{2, 2}, []int{s.begun, s.ended})
	})
}

// The end of a process precedes those of its requests, in whatever order they were reported.
func TestProcessDiesBeforeItsRequests(t *testing.T) {
	const self, child = 1, 2
	ended := func(id uint64, how supervisor.Outcome) supervisor.Event {
		return supervisor.Event{Kind: "ended", Server: "s", Request: id, Pid: child, Detail: string(how)}
	}
	died := supervisor.Event{Kind: "process ended", Server: "s", Pid: child, Detail: "signal: killed"}
	for name, reports := range map[string][]supervisor.Event{
		"process first": {died, ended(1, supervisor.Killed), ended(2, supervisor.Killed)},
		"request first": {ended(1, supervisor.Killed), died, ended(2, supervisor.Killed)},
		"process last":  {ended(1, supervisor.Killed), ended(2, supervisor.Killed), died},
	} {
		t.Run(name, func(t *testing.T) {
			for together := range []int{0, 1} { // in one frame, or each in its own
				s := &server{conns: map[uint64]*conn{}, deaths: map[int]*death{}, sample: 1}
				for id := range uint64(2) {
					s.take(supervisor.Event{Kind: "accepted", Server: "s", Request: id + 1}, 0, self)
					s.take(supervisor.Event{Kind: "started", Server: "s", Request: id + 1, Pid: child}, 0, self)
				}
				var all []Event
				for at, e := range reports {
					all = append(all, s.take(e, float64(at), self)...)
					if together == 0 {
						all = append(all, s.bury()...)
					}
				}
				for range patient {
					all = append(all, s.bury()...)
				}
				require.Len(t, all, 3)
				require.Equal(t, "died", all[0].K)
				require.Equal(t, "SIGKILL", all[0].Cause)
				require.Equal(t, 2, all[0].Cut)
				for _, e := range all[1:] {
					require.Equal(t, []string{"ended", "cut", "SIGKILL"}, []string{e.K, e.Outcome, e.Cause})
					require.GreaterOrEqual(t, e.T, all[0].T)
				}
				require.Empty(t, s.deaths)
			}
		})
	}
}

func TestRequestWithoutADeathIsReportedAllTheSame(t *testing.T) {
	s := &server{conns: map[uint64]*conn{}, deaths: map[int]*death{}, sample: 1}
	require.Empty(t, s.take(supervisor.Event{Kind: "ended", Server: "s", Request: 1, Pid: 2, Detail: "timeout"}, 0, 1))
	var all []Event
	for range patient {
		all = append(all, s.bury()...)
	}
	require.Len(t, all, 1)
	require.Equal(t, "timeout", all[0].Outcome)
}

func TestQuantiles(t *testing.T) {
	var in [supervisor.DurationBuckets + 1]int64
	require.Zero(t, quantile(in, .5))
	in[10], in[14] = 98, 2 // up to 1.024 ms, and up to 16.384 ms
	require.InDelta(t, 0.73, quantile(in, .5), 0.02)
	require.InDelta(t, 11.6, quantile(in, .99), 0.1)
}

func TestSampleIsAPowerOfTwo(t *testing.T) {
	for events, n := range map[int]int{0: 1, 500: 1, 501: 2, 1001: 4, 150_000: 512} {
		require.Equal(t, n, sampleOf(events), events)
	}
}

func TestRateIsThatOfTheLastSecond(t *testing.T) {
	var p past
	now := time.Unix(0, 0)
	for n := range int64(40) {
		p.add(now.Add(time.Duration(n)*Period), supervisor.Counts{Accepted: n * n})
	}
	rate, _, _, _ := p.figures()
	require.InDelta(t, 39*39-29*29, rate, 0.1)
	require.Len(t, p.rates, 3)
}

// A recording has the frames that its reader had, and plays them as far apart as they were.
func TestReplayIsTheRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(&script{}, Period, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute-Period/2)
		defer cancel()
		var recorded bytes.Buffer
		require.NoError(t, f.Record(ctx, &recorded))
		f.Close()
		original := strings.Split(strings.TrimSpace(recorded.String()), "\n")
		require.Equal(t, 600, len(original))

		played, err := Load(&recorded)
		require.NoError(t, err)
		for _, after := range []int{0, 300} {
			watching, leave := context.WithTimeout(t.Context(), 2*time.Minute)
			r := httptest.NewRequestWithContext(watching, http.MethodGet, "/events", nil)
			r.Header.Set("Last-Event-ID", strconv.Itoa(after))
			w := httptest.NewRecorder()
			began := time.Now()
			played.ServeHTTP(timed{w, func() { leave() }, len(original) - after}, r)
			require.InDelta(t, 60-float64(after)/10, time.Since(began).Seconds(), 0.2)
			var again []string
			for line := range strings.Lines(w.Body.String()) {
				if data, ok := strings.CutPrefix(line, "data: "); ok {
					again = append(again, strings.Replace(strings.Replace(strings.TrimSpace(data), `"recorded":true,`, "", 1), `"readonly":true`, `"readonly":false`, 1))
				}
			}
			require.Equal(t, original[after:], again)
			leave()
		}
	})
}

// A timed response ends the request when it has so many frames.
type timed struct {
	*httptest.ResponseRecorder
	leave func()
	most  int
}

func (w timed) Write(text []byte) (int, error) {
	n, err := w.ResponseRecorder.Write(text)
	if strings.Count(w.Body.String(), "\ndata: ") == w.most {
		w.leave()
	}
	return n, err
}

func (timed) SetReadDeadline(time.Time) error  { return nil }
func (timed) SetWriteDeadline(time.Time) error { return nil }

func TestWhatIsNoRecording(t *testing.T) {
	const good = `{"v":1,"seq":5,"t":7,"servers":[{"name":"s"}],"events":[]}` + "\n"
	for text, want := range map[string]string{
		"":                               "it has no whole frame, and was cut off; record it again",
		good[:9]:                         "it has no whole frame, and was cut off; record it again",
		"hello\n":                        "line 1 is no JSON; name a file that --record has written, or remove the lines from there",
		good + "}\n":                     "line 2 is no JSON; name a file that --record has written, or remove the lines from there",
		`{"v":2}`:                        "line 1 is no frame of a recording: v is 2, and 1 is known; correct it, or remove the lines from there",
		`{"v":1}`:                        "line 1 is no frame of a recording: servers is missing; correct it, or remove the lines from there",
		good + good:                      "line 2 is no frame of a recording: seq is 5, after 5; correct it, or remove the lines from there",
		good + `{"v":1,"servers":[]}`:    "line 2 is no frame of a recording: t is 0, after 7; correct it, or remove the lines from there",
		`{"v":1,"servers":[],"t":1e300}`: "line 1 is no frame of a recording: t is 1e+300, and 1e+11 at most; correct it, or remove the lines from there",
		`{"v":1,"servers":[],"t":-1}`:    "line 1 is no frame of a recording: t is -1; correct it, or remove the lines from there",
		`{"v":1,"servers":[{"children":[{"pid":1},{"rss":-2.5}]}]}`: "line 1 is no frame of a recording: servers[0].children[1].rss is -2.5; correct it, or remove the lines from there",
		`{"v":1,"servers":[{"refused":{"rate":-2}}]}`:               "line 1 is no frame of a recording: servers[0].refused.rate is -2; correct it, or remove the lines from there",
		`{"v":1,"servers":[{"pid":"x"}]}`:                           "line 1 is no frame of a recording: servers.pid is a string; correct it, or remove the lines from there",
	} {
		_, err := Load(strings.NewReader(text))
		require.EqualError(t, err, want, text)
	}
	for _, rest := range []string{"", "\n", `{"v":1,"seq`} { // cut off, as by a full disk
		r, err := Load(strings.NewReader(good + rest))
		require.NoError(t, err)
		require.Len(t, r.frames, 1)
	}
}
