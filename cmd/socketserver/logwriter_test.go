package main

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
)

// As long as the log is read no line is lost, and each has been written when Write returns.
func TestLogThatIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var read strings.Builder
		w := &logWriter{out: &read}
		line := strings.Repeat("x", 1000) + "\n"
		for n := range 5000 {
			_, err := io.WriteString(w, line)
			require.NoError(t, err)
			require.Equal(t, (n+1)*len(line), read.Len())
		}
	})
}

// What is not read is kept up to a limit, dropped and counted beyond it, and holds up nothing.
func TestLogThatIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, theirs := io.Pipe()
		w := &logWriter{out: theirs}
		w.report(&hclog.LoggerOptions{JSONFormat: true, DisableTime: true})
		line := strings.Repeat("x", 1023) + "\n"
		for range 2 + maxUnread/len(line) + 7 {
			_, err := io.WriteString(w, line)
			require.NoError(t, err)
		}
		require.False(t, w.flush(flushLimit))
		all := make(chan string)
		go func() {
			text, _ := io.ReadAll(log)
			all <- string(text)
		}()
		require.True(t, w.flush(flushLimit))
		_, err := io.WriteString(w, "read again\n")
		require.NoError(t, err)
		require.NoError(t, theirs.Close())
		text := <-all
		require.Equal(t, 1+maxUnread/len(line), strings.Count(text, line))
		require.Contains(t, text, `{"@level":"warn","@message":"log lines dropped: the log was not read","lines":8}`+"\nread again\n")
	})
}
