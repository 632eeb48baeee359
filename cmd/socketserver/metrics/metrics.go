// Package metrics shows Prometheus what the servers of a supervisor do.
//
// Nothing of it is on the way of a request: a scrape reads counters that the supervisor has in any
// case.
package metrics

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

// A Source is what is shown, read at each scrape.
type Source struct {
	Counts  func() []supervisor.ServerCounts
	Reloads *Reloads
	Version string
}

// Reloads is what came of the latest attempts to apply a configuration. The zero value has had none.
type Reloads struct {
	applied, at atomic.Int64 // at: the last one, in Unix seconds
	failed      atomic.Bool
}

// Record records an attempt.
func (r *Reloads) Record(err error) {
	r.failed.Store(err != nil)
	if err == nil {
		r.applied.Add(1)
		r.at.Store(time.Now().Unix())
	}
}

// Handler answers a scrape. It computes few of them at once.
func Handler(s Source) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{s})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Health answers 200 if every server of the configuration serves, and else 503 with those that do
// not.
func Health(status func() []supervisor.Status) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if not := supervisor.NotServing(status()); len(not) > 0 {
			http.Error(w, strings.Join(not, "; "), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("socketserver_"+name, help, labels, nil)
}

var (
	accepted = describe("requests_accepted_total", "Connections and datagrams that have arrived: the sum of those refused, ended and active.", "server")
	refused  = describe("requests_refused_total", "Requests that were not served.", "server", "reason")
	ended    = describe("requests_total", "Requests that were served and have ended.", "server", "outcome")
	active   = describe("requests_active", "Requests that have neither been refused nor ended.", "server")
	waiting  = describe("requests_waiting", "Active requests that wait for a thread or a child.", "server", "for")
	overdue  = describe("requests_overdue", "Active requests that have run for longer than timeouts.request.", "server")
	duration = describe("request_duration_seconds", "Time from the arrival of a request to its end.", "server")
	received = describe("received_bytes_total", "Bytes that clients of ended requests have sent.", "server")
	sent     = describe("sent_bytes_total", "Bytes that clients of ended requests were sent.", "server")
	workers  = describe("worker_processes", "Worker processes that run.", "server", "strategy")
	starts   = describe("worker_starts_total", "Worker processes that were started.", "server")
	deaths   = describe("worker_deaths_total", "Worker processes that have ended: done, or failed.", "server", "reason")
	up       = describe("plugin_up", "1 if the process of the plugin serves, else 0.", "server", "plugin")
	restarts = describe("plugin_restarts_total", "Starts of the plugin's process after it had ended.", "server", "plugin")
	failures = describe("accept_errors_total", "Times that no connection could be accepted.", "server", "error")
	reloaded = describe("config_last_reload_successful", "1 if the last attempt to apply a configuration succeeded, else 0.")
	reloadAt = describe("config_last_reload_success_timestamp_seconds", "When a configuration was last applied, in Unix time.")
	current  = describe("generation", "Number of configurations that were applied.")
	build    = describe("build_info", "1, with the version of the program.", "version", "goversion")

	all = []*prometheus.Desc{
		accepted, refused, ended, active, waiting, overdue, duration, received, sent, workers, starts, deaths, up, restarts, failures, reloaded, reloadAt, current, build,
	}
)

// collector makes the metrics of a scrape.
type collector struct{ source Source }

func (collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range all {
		to <- d
	}
}

func (c collector) Collect(to chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, kind prometheus.ValueType, value int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, float64(value), labels...)
	}
	const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue
	for _, s := range c.source.Counts() {
		put(accepted, counter, s.Accepted, s.Server)
		for reason, n := range s.Refused {
			put(refused, counter, n, s.Server, string(reason))
		}
		for outcome, n := range s.Ended {
			put(ended, counter, n, s.Server, string(outcome))
		}
		put(active, gauge, s.Active, s.Server)
		put(waiting, gauge, s.Waiting, s.Server, awaited(s.Strategy))
		put(overdue, gauge, int64(s.Overdue), s.Server)
		put(received, counter, s.In, s.Server)
		put(sent, counter, s.Out, s.Server)
		put(workers, gauge, int64(s.Workers), s.Server, s.Strategy)
		put(starts, counter, s.WorkerStarts, s.Server)
		put(deaths, counter, s.WorkerDeaths-s.WorkerFailures, s.Server, "done")
		put(deaths, counter, s.WorkerFailures, s.Server, "failed")
		for name, n := range s.AcceptErrors {
			put(failures, counter, n, s.Server, name)
		}
		if s.Plugin != "" {
			put(up, gauge, oneIf(s.PluginUp), s.Server, s.Plugin)
			put(restarts, counter, s.PluginRestarts, s.Server, s.Plugin)
		}
		to <- histogram(s)
	}
	r := c.source.Reloads
	put(reloaded, gauge, oneIf(!r.failed.Load()))
	put(reloadAt, gauge, r.at.Load())
	put(current, gauge, r.applied.Load())
	put(build, gauge, 1, c.source.Version, runtime.Version())
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// awaited is what requests of a strategy wait for.
func awaited(strategy string) string {
	if strategy == "forking" || strategy == "preforking" {
		return "child"
	}
	return "thread"
}

func histogram(s supervisor.ServerCounts) prometheus.Metric {
	buckets, sum := map[float64]uint64{}, uint64(0)
	for i, n := range s.Durations {
		sum += uint64(n)
		if i < supervisor.DurationBuckets {
			buckets[float64(int64(1)<<i)/1e6] = sum
		}
	}
	return prometheus.MustNewConstHistogram(duration, sum, s.Duration.Seconds(), buckets, s.Server)
}
