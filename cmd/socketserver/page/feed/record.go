package feed

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Record writes every frame as a line of JSON until ctx is done.
func (f *Feed) Record(ctx context.Context, w io.Writer) error {
	r := f.Read(0)
	defer r.Close()
	for {
		select {
		case m := <-r.frames:
			_, data, _ := bytes.Cut(m.text, []byte("data: "))
			if _, err := w.Write(bytes.TrimSuffix(data, []byte("\n"))); err != nil {
				return fmt.Errorf("record: %w", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// A Recording plays what was recorded, from the beginning for each reader.
type Recording struct {
	frames []message
	at     []time.Duration // of each frame, since the first one
}

// longest is the size of the longest line of a recording in bytes.
const longest = 16 << 20

// Load reads a recording. Its frames are read only, and say what they are.
func Load(r io.Reader) (*Recording, error) {
	var all Recording
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longest)
	first := 0.0
	for lines.Scan() {
		var f Frame
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil || f.V != 1 {
			return nil, fmt.Errorf("line %d is no frame of a recording", len(all.frames)+1)
		}
		if len(all.frames) == 0 {
			first = f.T
		}
		f.Readonly, f.Recorded = true, true
		all.frames = append(all.frames, encode(f))
		all.at = append(all.at, time.Duration((f.T-first)*float64(time.Millisecond)))
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the recording: %w", err)
	}
	if len(all.frames) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return &all, nil
}

// ServeHTTP sends the frames when they were, from the one after Last-Event-ID.
func (p *Recording) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	next := 0
	if after, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		for next < len(p.frames) && p.frames[next].seq <= after {
			next++
		}
	}
	began := time.Now()
	if next < len(p.frames) {
		began = began.Add(-p.at[next])
	}
	Stream(w, func() []byte {
		var due <-chan time.Time // never, after the last one
		if next < len(p.frames) {
			due = time.After(time.Until(began.Add(p.at[next])))
		}
		select {
		case <-due:
			next++
			return p.frames[next-1].text
		case <-r.Context().Done():
			return nil
		}
	})
}
