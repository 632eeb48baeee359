package terminal

import (
	"io"

	"github.com/go-socketserver/socketserver/internal/text"
)

// A Writer shows text from elsewhere on a terminal on which nobody types.
type Writer struct {
	w       io.Writer
	visible text.Stream
	midLine bool
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write shows text.
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.show(w.visible.Next(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// BeginLine ends the line that is under way, unless a character is, too.
func (w *Writer) BeginLine() error {
	if !w.midLine || w.visible.Held() {
		return nil
	}
	return w.show([]byte("\n"))
}

// Close shows what was incomplete and ends the line. What w writes to stays open.
func (w *Writer) Close() error {
	if err := w.show(w.visible.Rest()); err != nil {
		return err
	}
	return w.BeginLine()
}

func (w *Writer) show(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	w.midLine = p[len(p)-1] != '\n'
	_, err := w.w.Write(p)
	return err
}
