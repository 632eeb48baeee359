package feed

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
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

// Load reads a recording, which may have been edited. Its frames are read only, and say what they are. The last one is
// left out where it is cut off, as by a full disk.
func Load(r io.Reader) (*Recording, error) {
	var all Recording
	lines := json.NewDecoder(r)
	var first, last Frame
	for n := 1; ; n++ {
		var f Frame
		err := lines.Decode(&f)
		if ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); ended && n > 1 {
			return &all, nil
		} else if ended {
			return nil, errors.New("it has no whole frame, and was cut off; record it again")
		}
		if mismatch := (*json.UnmarshalTypeError)(nil); errors.As(err, &mismatch) {
			err = fmt.Errorf("%s is a %s", mismatch.Field, mismatch.Value)
		} else if err != nil {
			return nil, fmt.Errorf("line %d is no JSON; name a file that --record has written, or remove the lines from there", n)
		}
		if err == nil {
			err = f.follows(n, last)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d is no frame of a recording: %w; correct it, or remove the lines from there", n, err)
		}
		if n == 1 {
			first = f
		}
		last = f
		f.Readonly, f.Recorded = true, true
		all.frames = append(all.frames, encode(f))
		all.at = append(all.at, time.Duration((f.T-first.T)*float64(time.Millisecond)))
	}
}

// follows returns why f cannot come n-th, after another frame.
func (f *Frame) follows(n int, before Frame) error {
	const longest = 1e11 // milliseconds that a recording lasts, some years
	switch {
	case f.V != 1:
		return fmt.Errorf("v is %d, and 1 is known", f.V)
	case f.Servers == nil:
		return errors.New("servers is missing")
	case f.T > longest:
		return fmt.Errorf("t is %g, and %g at most", f.T, longest)
	case n > 1 && f.T < before.T:
		return fmt.Errorf("t is %g, after %g", f.T, before.T)
	case n > 1 && f.Seq <= before.Seq:
		return fmt.Errorf("seq is %d, after %d", f.Seq, before.Seq)
	}
	return negative(reflect.ValueOf(*f), "")
}

// negative returns an error with the path of a number in v below 0. A feed has none.
func negative(v reflect.Value, path string) (err error) {
	switch v.Kind() {
	case reflect.Int, reflect.Int64, reflect.Float64:
		if v.Convert(reflect.TypeFor[float64]()).Float() < 0 {
			return fmt.Errorf("%s is %v", path, v)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			err = cmp.Or(err, negative(v.Field(i), strings.TrimPrefix(path+"."+name, ".")))
		}
	case reflect.Slice:
		for i := range v.Len() {
			err = cmp.Or(err, negative(v.Index(i), fmt.Sprintf("%s[%d]", path, i)))
		}
	case reflect.Map:
		for entry := v.MapRange(); entry.Next(); {
			err = cmp.Or(err, negative(entry.Value(), fmt.Sprintf("%s.%v", path, entry.Key())))
		}
	}
	return err
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
