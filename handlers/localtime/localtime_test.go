package localtime

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The test binary prints its local time at the start of 2026's January and July.
func TestMain(m *testing.M) {
	if os.Getenv("LOCALTIME_TEST") == "" {
		os.Exit(m.Run())
	}
	zone, _ := local()
	if err := Check(); err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
	}
	for _, month := range []time.Month{time.January, time.July} {
		os.Stdout.WriteString(time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC).In(zone).Format("15:04 -0700 ") + "\n")
	}
}

func TestTZ(t *testing.T) {
	for tz, want := range map[string]string{
		"CST-8":                       "08:00 +0800 08:00 +0800",
		":CST-8":                      "08:00 +0800 08:00 +0800",
		"EST5EDT,M3.2.0,M11.1.0":      "19:00 -0500 20:00 -0400",
		"<+0545>-5:45":                "05:45 +0545 05:45 +0545",
		"CET-1CEST":                   "01:00 +0100 02:00 +0200",
		"NZST-12NZDT,M9.5.0,M4.1.0/3": "13:00 +1300 12:00 +1200",
		"UTC0":                        "00:00 +0000 00:00 +0000",
		"Asia/Shanghai":               "08:00 +0800 08:00 +0800",
		":Europe/Berlin":              "01:00 +0100 02:00 +0200",
		"UTC":                         "00:00 +0000 00:00 +0000",
		"":                            "00:00 +0000 00:00 +0000",
		"Asia/Beijing":                `TZ is "Asia/Beijing"; write a zone, such as Asia/Shanghai, or a rule, such as CST-8 00:00 +0000 00:00 +0000`,
		"XY-8":                        `TZ is "XY-8"; write a zone, such as Asia/Shanghai, or a rule, such as CST-8 00:00 +0000 00:00 +0000`,
		"8":                           `TZ is "8"; write a zone, such as Asia/Shanghai, or a rule, such as CST-8 00:00 +0000 00:00 +0000`,
	} {
		c := exec.Command(os.Args[0])
		c.Env = []string{"LOCALTIME_TEST=1", "GORACE=atexit_sleep_ms=0", "TZ=" + tz}
		out, err := c.Output()
		require.NoError(t, err)
		require.Equal(t, want, strings.Join(strings.Fields(string(out)), " "), "%q", tz)
	}
}

// A machine without a zone database uses the program's own.
func TestNoZoneDatabase(t *testing.T) {
	if _, err := exec.LookPath("unshare"); err != nil {
		t.Skip("needs unshare")
	}
	c := exec.Command("unshare", "-rm", "sh", "-c", `for d in /usr/share/zoneinfo /usr/local/go/lib/time "$GOROOT/lib/time"; do if [ -d "$d" ]; then mount -t tmpfs none "$d" || exit 9; fi; done; exec "$0"`, filepath.Clean(os.Args[0]))
	c.Env = append(os.Environ(), "LOCALTIME_TEST=1", "GORACE=atexit_sleep_ms=0", "TZ=Asia/Shanghai")
	out, err := c.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() != 0 && len(out) == 0 {
		t.Skip("cannot make a mount namespace")
	}
	require.NoError(t, err)
	require.Equal(t, "08:00 +0800 \n08:00 +0800 \n", string(out))
}
