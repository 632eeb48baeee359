package metrics_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/go-socketserver/socketserver/cmd/socketserver/metrics"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/framework"
)

func source() metrics.Source {
	n := supervisor.Counts{
		Accepted: 10, Active: 3, Waiting: 1, In: 100, Out: 200, WorkerStarts: 4, WorkerDeaths: 3, WorkerFailures: 1,
		Refused: map[framework.Refusal]int64{framework.RefusedPerSource: 2}, Ended: map[supervisor.Outcome]int64{supervisor.OK: 4, supervisor.Killed: 1},
		Duration: 1500 * time.Millisecond,
	}
	n.PluginRestarts, n.AcceptErrors = 2, map[string]int64{"EMFILE": 3}
	n.Durations[0], n.Durations[3], n.Durations[supervisor.DurationBuckets] = 1, 3, 1
	return metrics.Source{
		Counts: func() []supervisor.ServerCounts {
			return []supervisor.ServerCounts{{Server: "a b", Strategy: "forking", Workers: 1, Overdue: 2, Plugin: "p", PluginUp: true, Counts: n}}
		},
		Reloads: &metrics.Reloads{}, Version: "v1",
	}
}

func scrape(t *testing.T, s metrics.Source) string {
	t.Helper()
	w := httptest.NewRecorder()
	metrics.Handler(s).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code)
	return w.Body.String()
}

func TestExposition(t *testing.T) {
	s := source()
	s.Reloads.Record(nil)
	s.Reloads.Record(errors.New("busy"))
	text := scrape(t, s)
	for _, line := range []string{
		`socketserver_requests_accepted_total{server="a b"} 10`,
		`socketserver_requests_refused_total{reason="per_source",server="a b"} 2`,
		`socketserver_requests_total{outcome="killed",server="a b"} 1`,
		`socketserver_requests_waiting{for="child",server="a b"} 1`,
		`socketserver_requests_overdue{server="a b"} 2`,
		`socketserver_request_duration_seconds_bucket{server="a b",le="1e-06"} 1`,
		`socketserver_request_duration_seconds_bucket{server="a b",le="8e-06"} 4`,
		`socketserver_request_duration_seconds_bucket{server="a b",le="134.217728"} 4`,
		`socketserver_request_duration_seconds_bucket{server="a b",le="+Inf"} 5`,
		`socketserver_request_duration_seconds_sum{server="a b"} 1.5`,
		`socketserver_worker_deaths_total{reason="done",server="a b"} 2`,
		`socketserver_worker_deaths_total{reason="failed",server="a b"} 1`,
		`socketserver_plugin_up{plugin="p",server="a b"} 1`,
		`socketserver_plugin_restarts_total{plugin="p",server="a b"} 2`,
		`socketserver_accept_errors_total{error="EMFILE",server="a b"} 3`,
		`socketserver_config_last_reload_successful 0`,
		`socketserver_generation 1`,
	} {
		require.Contains(t, text, line+"\n")
	}
}

func TestNamesAndTypesAreAsPrometheusWantsThem(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(scrape(t, source()))).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestPromtoolCheckMetrics(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool")
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(scrape(t, source()))
	out, err := check.CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.Command(promtool, "check", "rules", filepath.Join(packaging, "prometheus", "alerts.yaml")).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

const packaging = "../../../packaging"

// The dashboard and the alerts are valid, use metrics that there are, and the dashboard shows all.
func TestDashboardAndAlertsUseTheMetrics(t *testing.T) {
	shown := map[string]bool{}
	text := scrape(t, source())
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\w+)`).FindAllStringSubmatch(text, -1) {
		shown[m[1]] = false
	}
	require.NotEmpty(t, shown)
	uses := func(text string) (names []string) {
		for _, name := range regexp.MustCompile(`\bsocketserver_\w+`).FindAllString(text, -1) {
			name = strings.TrimSuffix(name, "_bucket")
			require.Contains(t, shown, name)
			names = append(names, name)
		}
		require.NotEmpty(t, names)
		return names
	}
	dashboard, err := os.ReadFile(filepath.Join(packaging, "grafana", "socketserver.json"))
	require.NoError(t, err)
	require.True(t, json.Valid(dashboard))
	for _, name := range uses(string(dashboard)) {
		shown[name] = true
	}
	delete(shown, "socketserver_config_last_reload_success_timestamp_seconds") // for alerts of one's own
	for name, is := range shown {
		require.True(t, is, name)
	}
	shown["socketserver_config_last_reload_success_timestamp_seconds"] = true
	alerts, err := os.ReadFile(filepath.Join(packaging, "prometheus", "alerts.yaml"))
	require.NoError(t, err)
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	require.NoError(t, yaml.Unmarshal(alerts, &rules))
	for _, rule := range rules.Groups[0].Rules {
		require.NotEmpty(t, rule.Alert)
		uses(rule.Expr)
	}
}

func TestHealth(t *testing.T) {
	ask := func(states ...supervisor.Status) (int, string) {
		w := httptest.NewRecorder()
		metrics.Health(func() []supervisor.Status { return states }).ServeHTTP(w, nil)
		text, err := io.ReadAll(w.Body)
		require.NoError(t, err)
		return w.Code, string(text)
	}
	code, text := ask(supervisor.Status{State: supervisor.Serving}, supervisor.Status{State: supervisor.Draining, Old: true})
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "ok\n", text)
	code, text = ask(supervisor.Status{State: supervisor.Serving}, supervisor.Status{Name: "chat", State: supervisor.Failed})
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, "chat is failed\n", text)
}
