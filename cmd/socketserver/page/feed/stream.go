package feed

import (
	"net/http"
	"strconv"
	"time"
)

const (
	most     = 32              // readers over HTTP
	patience = 5 * time.Second // for one to take a frame
)

// ServeHTTP sends the frames as server-sent events, from the one after Last-Event-ID where that is
// known. A client that does not take a frame within 5 s is let go; it may come back.
func (f *Feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	full := len(f.readers) >= most
	f.mu.Unlock()
	if full {
		http.Error(w, "the page is open "+strconv.Itoa(most)+" times already", http.StatusServiceUnavailable)
		return
	}
	after, _ := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64)
	reader := f.Read(after)
	defer reader.Close()
	Stream(w, func() []byte {
		select {
		case m := <-reader.frames:
			return m.text
		case <-r.Context().Done():
			return nil
		}
	})
}

// Stream sends what next returns until that is nil, or the client does not take it.
func Stream(w http.ResponseWriter, next func() []byte) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // which would end r
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	text := []byte("retry: 1000\n\n")
	for text != nil {
		_ = control.SetWriteDeadline(time.Now().Add(patience))
		if _, err := w.Write(text); err != nil {
			return
		}
		if control.Flush() != nil {
			return
		}
		text = next()
	}
}
